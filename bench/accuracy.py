"""Measure how well the models rank real films: MovieLens-100K, two protocols, all models.

Run from the repository: `python bench/accuracy.py --data <folder with u.data, u.user, u.item>`.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from recommender.ml import evaluation, features
from recommender.ml.evaluation import Cases, ScoresFor, Setting
from recommender.ml.interactions import FloatArray, Interactions
from recommender.ml.models import MODELS
from recommender.ml.models.base import Recommender
from recommender.ml.recipes import RECIPES
from recommender.ml.scoring import History
from recommender.ml.split import by_time, leave_last_out, time_quantile
from recommender.ml.stats import Interval
from recommender.ml.visits import histories_at, make_visits

DAY_S = 86_400
TEST_SHARE = 0.1
VALIDATION_SHARE = 0.05
METRICS = ("recall@10", "hit_rate@10", "ndcg@10")
DEFAULT_DATA = Path("data") / "ml-100k"
RESULTS = Path(__file__).resolve().parent / "results" / "accuracy-ml-100k.md"


@dataclass(frozen=True)
class Protocol:
    """Say what is learned from, what steers early stopping, what is known, what is to be found."""

    name: str
    text: str
    train: Interactions
    validation: Interactions
    cases: Cases
    histories: list[History]


@dataclass(frozen=True)
class Row:
    """Hold one line of the table."""

    label: str
    figures: dict[str, Interval]
    epochs: int
    train_cpu_s: float


def main(arguments: Sequence[str]) -> int:
    """Train and judge every model and write the table; 0 also when there is no data."""
    options = _options(arguments)
    if not (options.data / "u.data").exists():
        sys.stdout.write(f"skipped: no data (no u.data in {options.data})\n")
        return 0
    data = load(options.data)
    parts = []
    for protocol in (leave_last(data), by_the_clock(data)):
        if protocol.name not in options.protocols:
            continue
        rows = [_baseline(name, protocol) for name in ("random", "popularity of all time")]
        for name in options.models:
            rows.append(measure(name, protocol, options.seed))
            sys.stdout.write(_line(rows[-1]) + "\n")
            sys.stdout.flush()
        parts.append(_table(protocol, rows))
    if options.write:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(_document(parts, options.seed), encoding="utf-8")
    sys.stdout.write("\n".join(parts))
    return 0


def load(folder: Path) -> Interactions:
    """Read MovieLens-100K; every rating is a positive, as in the published comparisons."""
    rows = np.loadtxt(folder / "u.data", dtype=np.int64)
    rows = rows[np.argsort(rows[:, 3], kind="stable")]
    user, item, value, second = rows.T
    n_users, n_items = int(user.max()), int(item.max())
    user_rows, user_names, item_rows, item_names = _features(folder, n_users, n_items)
    return Interactions(
        user=user,
        item=item,
        kind=np.zeros(len(rows), np.int64),
        value=value.astype(np.float64),
        weight=np.ones(len(rows)),
        time=second,
        n_users=n_users,
        n_items=n_items,
        kinds=("rating",),
        half_life_s=np.array([365.0 * DAY_S]),
        user_features=user_rows,
        user_feature_names=user_names,
        item_features=item_rows,
        item_feature_names=item_names,
        content=np.zeros((n_items + 1, 0), np.float32),
    )


def leave_last(data: Interactions) -> Protocol:
    """Hold out each user's last event as test and the one before as validation."""
    known, test = leave_last_out(data)
    train, validation = leave_last_out(known)
    # Validation has to follow training in time; which user is first does not matter here.
    after = int(train.time.max()) + 1 + np.arange(len(validation))
    cases = evaluation.make_cases(known, test, known)
    text = "each user's last event is the test, the one before steers early stopping"
    return Protocol(
        name="b",
        text=f"leave-last-out: {text}",
        train=train,
        validation=replace(validation, time=after),
        cases=cases,
        histories=evaluation.histories_of(known, cases.users),
    )


def by_the_clock(data: Interactions) -> Protocol:
    """Cut at the 90 % quantile of time: the way the product judges itself."""
    split_at = time_quantile(data, TEST_SHARE)
    known, _ = by_time(data, split_at)
    train, validation = by_time(known, time_quantile(known, VALIDATION_SHARE))
    every = np.ones(len(data), np.bool_)
    cases = make_visits(data, split_at, every, every)
    text = (
        "the newest tenth of all events is the test, the newest 5 % before it steers early "
        "stopping; a user is judged at up to 8 moments, the model reads what they did before"
    )
    return Protocol(
        name="c",
        text=f"by the clock: {text}",
        train=train,
        validation=validation,
        cases=cases,
        histories=histories_at(data, cases),
    )


def measure(name: str, protocol: Protocol, seed: int, **changes: float) -> Row:
    """Train one model with its defaults and judge its full ranking."""
    model: Recommender = MODELS[name](MODELS[name].Config(**changes), threads=1)
    began = time.process_time()
    records = list(model.fit(protocol.train, validation=protocol.validation, seed=seed))
    spent = time.process_time() - began
    scorer = model.scorer()
    figures = _judge(evaluation.scores_of(scorer, protocol.histories), protocol)
    return Row(RECIPES[name].label, figures, len(records), spent)


def _baseline(name: str, protocol: Protocol) -> Row:
    if name == "random":
        scores = evaluation.random_scores(protocol.train.n_items, 1)
    else:
        forever = replace(protocol.train, half_life_s=np.array([np.inf]))
        scores = evaluation.popularity_scores(forever)
    return Row(name.capitalize(), _judge(scores, protocol), 0, 0.0)


def _judge(scores: ScoresFor, protocol: Protocol) -> dict[str, Interval]:
    n_items = protocol.train.n_items
    setting = Setting(  # novelty and diversity are not in the table
        n_items=n_items,
        share=np.ones(n_items + 1),
        vectors=np.zeros((n_items + 1, 1), np.float32),
    )
    return evaluation.summarize(evaluation.evaluate(scores, protocol.cases, setting), setting)


def _features(
    folder: Path, n_users: int, n_items: int
) -> tuple[FloatArray, tuple[str, ...], FloatArray, tuple[str, ...]]:
    """Return age, gender and occupation of users, genres of items, in the product's columns."""
    people = _read(folder / "u.user")
    attributes: list[dict[str, object]] = [
        {"age": age, "gender": gender, "occupation": job} for _, age, gender, job, _ in people
    ]
    genres = [name for name, *_ in _read(folder / "u.genre")]
    categories = [
        [genre for genre, flag in zip(genres, row[5:], strict=True) if flag == "1"]
        for row in _read(folder / "u.item")
    ]
    unknown = np.full(n_items, np.nan)
    items = features.ItemFacts(unknown, unknown, unknown, categories)
    nothing = np.full(n_users, np.nan)
    facts = features.HistoryFacts(np.zeros(n_users), nothing, np.zeros(n_users), nothing)
    spec = features.fit_spec(attributes, facts, items)
    user_rows = features.user_matrix(spec, attributes, facts)
    user_rows = np.vstack([user_rows.mean(axis=0, keepdims=True), user_rows])
    item_rows = features.item_matrix(spec, items)
    item_rows = np.vstack([np.zeros_like(item_rows[:1]), item_rows])
    return user_rows, spec.user_names, item_rows, spec.item_names


def _read(path: Path) -> list[list[str]]:
    text = path.read_text(encoding="latin-1")
    return [line.split("|") for line in text.splitlines() if line.strip()]


def _line(row: Row) -> str:
    cells = [row.label]
    for metric in METRICS:
        found = row.figures[metric]
        cells.append(f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]")
    cells += [str(row.epochs or "–"), f"{row.train_cpu_s:.1f}" if row.epochs else "–"]
    return "| " + " | ".join(cells) + " |"


def _table(protocol: Protocol, rows: Sequence[Row]) -> str:
    n = rows[0].figures[METRICS[0]].n
    head = "| model | R@10 | HR@10 | NDCG@10 | epochs | training CPU s |\n|---|---|---|---|---|---|"
    lines = "\n".join(_line(row) for row in rows)
    return f"## Protocol {protocol.name}, {protocol.text} ({n} users)\n\n{head}\n{lines}\n"


def _document(parts: Sequence[str], seed: int) -> str:
    today = datetime.now(UTC).date()
    head = (
        "# Accuracy on MovieLens-100K\n\n"
        f"Written by `python bench/accuracy.py` on {today}, seed {seed}, one thread. All unseen "
        "items are ranked; 95 % intervals by resampling users. Every rating counts as taken. "
        "Models run with their defaults and see age, gender, occupation and genres, no text. "
        "Random and popularity of all time stand beside for comparison.\n\n"
    )
    return head + "\n".join(parts)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--models", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--protocols", nargs="+", default=["b", "c"], choices=["b", "c"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-write", dest="write", action="store_false")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
