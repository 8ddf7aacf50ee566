"""Freeze the protocols: who is learned from, what is asked, and what the answer was."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.data import Source, encode
from bench.frozen import Answer, Ask, Task
from recommender.ml import cold, evaluation
from recommender.ml.evaluation import Cases
from recommender.ml.interactions import FloatArray, IntArray, Interactions
from recommender.ml.scoring import History
from recommender.ml.split import by_time, last_positives, leave_last_out, time_quantile
from recommender.ml.visits import histories_at, make_visits

TEST_SHARE = 0.1
VALIDATION_SHARE = 0.05
LATE = (1, 3, 5, 10)  # newest events that are hidden from the model, for staleness
LAST = "each user's last event is to be found, the one before steers early stopping and tuning"
N_WARM = 99


@dataclass(frozen=True)
class Frozen:
    """Hold a task and what only the judge may see."""

    task: Task
    answers: dict[str, Answer]


def leave_last(source: Source, *, late: tuple[int, ...] = ()) -> Frozen:
    """Freeze protocol b; `late` adds asks whose newest events are hidden from the model."""
    known, test = leave_last_out(source.data)
    train, validation = leave_last_out(known)
    cases = evaluation.make_cases(known, test, known)
    asks = {"b": _ask("b", "all unseen items are ranked", known, cases)}
    for n in late:
        read = known.take(~last_positives(known, n))
        asks[f"late-{n}"] = _ask(
            f"late-{n}", f"as b, but the {n} newest events have not reached the model", read, cases
        )
    answers = {name: Answer(cases.users, cases.relevant) for name in asks}
    task = _task("b", source, train, following(train, validation))
    return Frozen(replace(task, text=LAST, asks=asks), answers)


def by_the_clock(source: Source) -> Frozen:
    """Freeze protocol c twice: at the visits of the window, and once for the whole window."""
    data = source.data
    split_at = time_quantile(data, TEST_SHARE)
    known, window = by_time(data, split_at)
    train, validation = by_time(known, time_quantile(known, VALIDATION_SHARE))
    every = np.ones(len(data), np.bool_)
    visits = make_visits(data, split_at, every, every)
    whole = evaluation.make_cases(known, window, known)
    whole = _only(whole, np.isin(whole.users, np.unique(known.user)))
    asks = {
        "visits": _ask(
            "visits",
            "the newest tenth of all events, each user at up to 8 moments: the model reads what "
            "they did before, and all they took from there on is to be found",
            data,
            visits,
        ),
        "window": _ask(
            "window",
            "the newest tenth of all events in one list for each user who was there before; "
            "nothing of the window is read",
            known,
            whole,
        ),
    }
    answers = {
        "visits": Answer(visits.users, visits.relevant),
        "window": Answer(whole.users, whole.relevant),
    }
    text = "cut by the clock; the newest 5 % before the cut steer early stopping and tuning"
    task = _task("c", source, train, validation)
    return Frozen(replace(task, text=text, asks=asks), answers)


def ncf(source: Source) -> Frozen:
    """Freeze protocol a: the published test items among their published 99 negatives."""
    published = source.ncf
    if published is None:
        raise ValueError(f"{source.name} has no published NCF test")
    known = source.data.take(~published.rows)
    train, validation = leave_last_out(known)
    candidates = np.sort(np.column_stack([published.items, published.negatives]), axis=1)
    relevant = tuple(np.array([item]) for item in published.items)
    cases = Cases(
        published.users,
        relevant,
        tuple(np.zeros(0, np.int64) for _ in relevant),
        np.bincount(known.user, minlength=known.n_users + 1)[published.users],
    )
    text = "the published test item among its published 99 negatives, ranked by strict >"
    ask = replace(_ask("a", text, known, cases), candidates=candidates)
    answer = Answer(published.users, relevant, {"last in order": published.is_last})
    task = _task("a", source, train, following(train, validation))
    steers = "the published test events are taken out; each user's last event of the rest steers"
    return Frozen(replace(task, text=steers, asks={"a": ask}), {"a": answer})


def cold_items(source: Source, seed: int) -> Frozen:
    """Freeze the cold-item test: 5 % of the items never met, each among 99 warm ones.

    A case is a user and one cold item they took in any place of their history; the negatives are
    warm items they never took. `among` ranks all cold items for the same users.
    """
    held = cold.hold_out(source.data)
    warm = cold.without_items(source.data, held)
    train, validation = leave_last_out(warm)
    users, items = _one_cold_item_each(source.data, held, seed)
    rng = np.random.default_rng(seed)
    warm_items = np.setdiff1d(np.unique(train.item), held)
    taken = _items_by_user(source.data)
    negatives = np.stack(
        [rng.choice(np.setdiff1d(warm_items, taken[user]), N_WARM, replace=False) for user in users]
    )
    cases = Cases(
        users,
        tuple(np.array([item]) for item in items),
        tuple(np.zeros(0, np.int64) for _ in users),
        np.zeros(len(users), np.int64),
    )
    against = _ask("cold", "one cold item that the user took, among 99 warm ones", warm, cases)
    mixed = np.sort(np.column_stack([items, negatives]), axis=1)
    among = replace(against, name="among", text="all cold items for the same users (AUC)")
    every = np.broadcast_to(held, (len(users), len(held))).copy()
    asks = {
        "cold": replace(against, candidates=mixed),
        "among": replace(among, candidates=every),
    }
    wanted = tuple(np.intersect1d(taken[user], held) for user in users)
    answers = {"cold": Answer(users, cases.relevant), "among": Answer(users, wanted)}
    task = _task("cold", source, train, following(train, validation))
    text = f"{len(held)} of {source.data.n_items} items are held out of training wholly"
    return Frozen(replace(task, text=text, asks=asks), answers)


def following(train: Interactions, validation: Interactions) -> Interactions:
    """Move validation behind training in time; which user is first does not matter there."""
    after = int(train.time.max()) + 1 + np.arange(len(validation))
    return replace(validation, time=after)


def with_content(frozen: Frozen, content: FloatArray, encoder: str) -> Frozen:
    """Give every part of a task the items' content vectors."""
    task = frozen.task
    asks = {
        name: replace(ask, known=replace(ask.known, content=content))
        for name, ask in task.asks.items()
    }
    parts = {
        "train": replace(task.train, content=content),
        "validation": replace(task.validation, content=content),
    }
    return replace(frozen, task=replace(task, asks=asks, encoder=encoder, **parts))


def content_of(source: Source, cache: Path) -> tuple[str, FloatArray]:
    """Encode the items' texts once and keep the vectors."""
    path = cache / f"{source.name}.npy"
    name = cache / f"{source.name}.txt"
    if not path.exists():
        encoder, rows = encode(source.texts)
        cache.mkdir(parents=True, exist_ok=True)
        np.save(path, rows)
        name.write_text(encoder, encoding="utf-8")
    return name.read_text(encoding="utf-8"), np.load(path)


def histories(ask: Ask) -> list[History]:
    """Build what our scorers read for each case, by the product's own functions."""
    if not ask.times.any():
        return evaluation.histories_of(ask.known, ask.users)
    nothing = tuple(np.zeros(0, np.int64) for _ in ask.users)
    cases = Cases(ask.users, nothing, nothing, np.zeros(len(ask), np.int64), ask.times)
    return histories_at(ask.known, cases)


def _task(name: str, source: Source, train: Interactions, validation: Interactions) -> Task:
    return Task(f"{source.name}-{name}", source.name, "", "none", train, validation, {})


def _ask(name: str, text: str, known: Interactions, cases: Cases) -> Ask:
    times = cases.times if len(cases.times) else np.zeros(len(cases), np.int64)
    plain = Ask(name, text, cases.users, times, known, (), cases.seen)
    return replace(plain, items=tuple(history.items for history in histories(plain)))


def _only(cases: Cases, mask: IntArray) -> Cases:
    kept = np.flatnonzero(mask)
    return Cases(
        cases.users[kept],
        tuple(cases.relevant[place] for place in kept),
        tuple(cases.seen[place] for place in kept),
        cases.history_length[kept],
    )


def _items_by_user(data: Interactions) -> dict[int, IntArray]:
    order, starts = data.by_user()
    return {
        user: np.unique(data.item[order[starts[user] : starts[user + 1]]])
        for user in range(1, data.n_users + 1)
    }


def _one_cold_item_each(data: Interactions, held: IntArray, seed: int) -> tuple[IntArray, IntArray]:
    """Draw one cold item of every user who took any."""
    rng = np.random.default_rng(seed)
    events = data.take(np.isin(data.item, held))
    shuffled = rng.permutation(len(events))
    users, firsts = np.unique(events.user[shuffled], return_index=True)
    return users, events.item[shuffled][firsts]
