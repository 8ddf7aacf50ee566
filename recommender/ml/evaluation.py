"""Rank everything for users of a later window and judge the lists, per user and in summary.

Full ranking, no sampled candidates: sampled metrics order models wrongly (Krichene & Rendle 2020).
The seen items are masked by `topk.mask_seen`, the very function that serving uses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from recommender.ml import metrics
from recommender.ml.interactions import BoolArray, FloatArray, IntArray, Interactions
from recommender.ml.scoring import History, Scorer
from recommender.ml.stats import Interval, bootstrap_means, grouped_jackknife, paired_bootstrap
from recommender.ml.tokens import kind_slots
from recommender.ml.topk import mask_seen, top_k

K = 10
CURVE_K = 20
NEW_BELOW = 5  # fewer past positives: a new user
HEAVY_FROM = 50  # at least as many: a heavy one
SEGMENTS = ("new", "light", "heavy")
UNKNOWN_ITEM = -1e30  # behind everything a model knows, yet still in the list
_CELLS = 20_000_000  # scores held at once
_GROUPS = 20  # for the jackknife of coverage and Gini
RATING = "rating"  # the event type whose value is a rating

# Given positions of cases, return their (b, M+1) scores in the snapshot's item numbers.
ScoresFor = Callable[[IntArray], FloatArray]


@dataclass(frozen=True)
class Cases:
    """The lists to be judged: what the user took later, had seen, and how much they had done.

    A user may stand in several cases, one for each visit; metrics are averaged per user first.
    """

    users: IntArray  # (n,) user numbers, never falling
    relevant: tuple[IntArray, ...]  # n arrays of item numbers, none of them seen before
    seen: tuple[IntArray, ...]  # n arrays of item numbers
    history_length: IntArray  # (n,) the user's positive events before the window
    times: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # (n,) of visits

    def __len__(self) -> int:
        """Count the cases."""
        return len(self.users)

    @property
    def n_users(self) -> int:
        """Count the users."""
        return len(np.unique(self.users))

    def take(self, places: IntArray) -> Cases:
        """Keep the cases at these rising positions."""
        return Cases(
            users=self.users[places],
            relevant=tuple(self.relevant[place] for place in places),
            seen=tuple(self.seen[place] for place in places),
            history_length=self.history_length[places],
            times=self.times[places] if len(self.times) else self.times,
        )

    def segment(self, name: str) -> BoolArray:
        """Mark the users (n_users,) of one of `SEGMENTS`."""
        _, firsts = np.unique(self.users, return_index=True)
        n = self.history_length[firsts]
        if name == "new":
            return np.asarray(n < NEW_BELOW)
        if name == "heavy":
            return np.asarray(n >= HEAVY_FROM)
        return np.asarray((n >= NEW_BELOW) & (n < HEAVY_FROM))


@dataclass(frozen=True)
class Setting:
    """What all models of one comparison share."""

    n_items: int
    share: FloatArray  # (M+1,) smoothed popularity in training, for novelty
    vectors: FloatArray  # (M+1, D) unit rows of one common space, for diversity
    seed: int = 1


@dataclass(frozen=True)
class Outcome:
    """One model's lists and what they are worth; a user's visits are averaged."""

    lists: IntArray  # (n, CURVE_K) item numbers, one row a case
    user_of: IntArray  # (n,) which of the users, 0-based, each list is for
    per_user: Mapping[str, FloatArray]  # metric name → (n_users,)
    curves: Mapping[str, FloatArray]  # precision, recall, ndcg → (n_users, CURVE_K)
    is_finite: bool  # no score was NaN or +inf


def make_cases(train: Interactions, relevant: Interactions, seen: Interactions) -> Cases:
    """Collect the users who took something later that they had not seen before.

    Args:
        train: what the models may know; its positives measure each user's history.
        relevant: later events that count as taken.
        seen: earlier events whose items serving would no longer show.
    """
    past = np.bincount(train.user[train.weight > 0], minlength=train.n_users + 1)
    later, earlier = _sets_by_user(relevant), _sets_by_user(seen)
    nothing = np.zeros(0, dtype=np.int64)
    users, wanted, known = [], [], []
    for user in sorted(later):
        before = earlier.get(user, nothing)
        fresh = np.setdiff1d(later[user], before, assume_unique=True)
        if len(fresh):
            users.append(user)
            wanted.append(fresh)
            known.append(before)
    numbers = np.array(users, dtype=np.int64)
    return Cases(numbers, tuple(wanted), tuple(known), past[numbers])


def histories_of(
    data: Interactions,
    users: IntArray,
    item_numbers: IntArray | None = None,
    *,
    features: FloatArray | None = None,
    length: int | None = None,
) -> list[History]:
    """Build what a scorer reads about each user from the positive events of `data`.

    As in serving, an item counts once: at its newest time, with its strongest event.

    Args:
        data: events before the moment of scoring.
        users: (n,) user numbers; a user without events gets an empty history.
        item_numbers: (M+1,) the artifact's number of each item, 0 = unknown and dropped; None
            when the artifact numbers items as `data` does.
        features: (U+1, F) in the artifact's columns; None for those of `data`.
        length: how many of the newest items serving remembers; None for all.
    """
    merged = _one_event_per_item(data.positives())
    numbers = merged.item if item_numbers is None else item_numbers[merged.item]
    kept, numbers = merged.take(numbers > 0), numbers[numbers > 0]
    order, starts = kept.by_user()
    rows = data.user_features if features is None else features
    values, kinds = _opinions(kept), kind_slots(kept.kinds)[kept.kind]
    histories = []
    for user in users:
        own = order[starts[user] : starts[user + 1]]
        own = own if length is None else own[-length:]
        histories.append(
            History(
                items=numbers[own],
                weights=kept.weight[own],
                values=values[own],
                times=kept.time[own],
                features=rows[user],
                kinds=kinds[own],
            )
        )
    return histories


def history_of_one(
    own: Interactions, item_numbers: IntArray | None, features: FloatArray
) -> History:
    """Build one user's history from their positive events, as `histories_of` does for many."""
    kept = _one_event_per_item(own)
    numbers = kept.item if item_numbers is None else item_numbers[kept.item]
    known = numbers > 0
    return History(
        items=numbers[known],
        weights=kept.weight[known],
        values=_opinions(kept)[known],
        times=kept.time[known],
        features=features,
        kinds=kind_slots(kept.kinds)[kept.kind[known]],
    )


def _opinions(events: Interactions) -> FloatArray:
    """Return (N,) ratings, NaN elsewhere: a price or a dwell time is no opinion, as in serving."""
    is_rating = np.array([name == RATING for name in events.kinds], np.bool_)
    return np.where(is_rating[events.kind], events.value, np.nan)


def _one_event_per_item(data: Interactions) -> Interactions:
    """Keep each user's newest event with an item, worth and rated as the strongest of them."""
    pair = data.user.astype(np.int64) * (data.n_items + 1) + data.item
    order = np.lexsort((np.arange(len(data)), data.weight, pair))  # the pair's strongest, latest
    is_last = np.append(pair[order][1:] != pair[order][:-1], np.ones(min(1, len(data)), np.bool_))
    strongest = order[is_last]  # in the order of pairs
    newest = np.zeros(len(strongest), dtype=np.int64)
    np.maximum.at(newest, np.searchsorted(pair[strongest], pair), np.arange(len(data)))
    by_time = np.argsort(newest)
    strongest, newest = strongest[by_time], newest[by_time]
    kept = data.take(newest)
    facts = {name: getattr(data, name)[strongest] for name in ("kind", "value", "weight")}
    return replace(kept, **facts)


def scores_of(
    scorer: Scorer, histories: Sequence[History], item_numbers: IntArray | None = None
) -> ScoresFor:
    """Let a scorer rank the snapshot's items; those it does not know come last, but do come."""

    def scores_for(cases: IntArray) -> FloatArray:
        own = scorer.score([histories[case] for case in cases])
        if item_numbers is None:
            return own
        mapped = own[:, item_numbers]
        mapped[:, item_numbers == 0] = UNKNOWN_ITEM
        return mapped

    return scores_for


def popularity_scores(train: Interactions) -> ScoresFor:
    """Rank by distinct users, each at the strongest recent event: weight · 2^(−age/half-life)."""
    row = decayed_popularity(train)
    return lambda cases: np.broadcast_to(row, (len(cases), len(row)))


def random_scores(n_items: int, seed: int) -> ScoresFor:
    """Rank by chance; a case gets the same scores in any batch."""

    def scores_for(cases: IntArray) -> FloatArray:
        rows = [np.random.default_rng((seed, int(case))).random(n_items + 1) for case in cases]
        return np.stack(rows)

    return scores_for


def decayed_popularity(data: Interactions) -> FloatArray:
    """Return (M+1,) popularity as of the last event: one user counts once per item."""
    scores = np.zeros(data.n_items + 1)
    if not len(data):
        return scores
    age = data.time[-1] - data.time
    worth = data.weight * np.exp2(-age / data.half_life_s[data.kind])
    pair = data.user.astype(np.int64) * (data.n_items + 1) + data.item
    order = np.argsort(pair, kind="stable")
    firsts = np.flatnonzero(np.r_[True, np.diff(pair[order]) > 0])
    best = np.maximum.reduceat(worth[order], firsts)
    np.add.at(scores, data.item[order][firsts], best)
    return scores


def distinct_users(data: Interactions) -> IntArray:
    """Return (M+1,) how many users have a positive event with each item."""
    positives = data.positives()
    pair = positives.user.astype(np.int64) * (data.n_items + 1) + positives.item
    return np.bincount(np.unique(pair) % (data.n_items + 1), minlength=data.n_items + 1)


def evaluate(scores_for: ScoresFor, cases: Cases, setting: Setting) -> Outcome:
    """Rank all items for each case and judge the lists; cost is one scoring of all users."""
    batch = max(1, min(256, _CELLS // (setting.n_items + 1)))
    lists, firsts, is_finite = [], [], True
    for start in range(0, len(cases), batch):
        chosen = np.arange(start, min(start + batch, len(cases)))
        scores = scores_for(chosen)
        known = scores[:, 1:]
        is_finite &= not bool(np.any(np.isnan(known) | np.isposinf(known)))
        scores = mask_seen(scores, cases.seen[start : start + batch])
        lists.append(top_k(scores, CURVE_K))
        firsts.append(_first_hits(scores, cases.relevant[start : start + batch]))
    empty = np.zeros((0, CURVE_K), dtype=np.int64)
    ranked = np.concatenate([empty, *lists])
    judged = metrics.judge(ranked, cases.relevant, CURVE_K)
    top = ranked[:, :K]
    _, user_of = np.unique(cases.users, return_inverse=True)
    per_case = {
        f"ndcg@{K}": judged.ndcg[:, K - 1],
        f"precision@{K}": judged.precision[:, K - 1],
        f"recall@{K}": judged.recall[:, K - 1],
        "mrr": np.concatenate([np.zeros(0), *firsts]),
        f"hit_rate@{K}": judged.hit[:, K - 1],
        f"novelty@{K}": np.array([metrics.novelty(row, setting.share) for row in top]),
        f"diversity@{K}": np.array(
            [metrics.intra_list_diversity(row, setting.vectors) for row in top]
        ),
    }
    curves = {"precision": judged.precision, "recall": judged.recall, "ndcg": judged.ndcg}
    return Outcome(
        ranked,
        user_of,
        {name: per_user_mean(values, user_of) for name, values in per_case.items()},
        {name: per_user_mean(values, user_of) for name, values in curves.items()},
        is_finite,
    )


def per_user_mean(values: FloatArray, user_of: IntArray) -> FloatArray:
    """Average the cases of each user: (n, …) → (n_users, …).

    >>> per_user_mean(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 1])).tolist()
    [2.0, 5.0]
    """
    counts = np.bincount(user_of)
    sums = np.zeros((len(counts), *values.shape[1:]))
    np.add.at(sums, user_of, values)
    return sums / counts.reshape(-1, *[1] * (values.ndim - 1))


def summarize(
    outcome: Outcome, setting: Setting, mask: BoolArray | None = None
) -> dict[str, Interval]:
    """Return each metric with its 95 % interval, over all users or those of a mask."""
    chosen = slice(None) if mask is None else mask
    names = list(outcome.per_user)
    table = np.stack([outcome.per_user[name][chosen] for name in names], axis=1)
    summary = dict(zip(names, bootstrap_means(table, setting.seed), strict=True))
    rows = slice(None) if mask is None else mask[outcome.user_of]
    top = outcome.lists[rows][:, :K]
    summary[f"coverage@{K}"] = _of_lists(metrics.coverage, top, setting.n_items)
    summary[f"gini@{K}"] = _of_lists(metrics.gini, top, setting.n_items)
    return summary


def compare(a: Outcome, b: Outcome, seed: int) -> dict[str, Interval]:
    """Return the paired difference a − b of every per-user metric, on the same users."""
    return {name: paired_bootstrap(a.per_user[name], b.per_user[name], seed) for name in a.per_user}


def mean_curves(outcome: Outcome) -> dict[str, list[float]]:
    """Return precision, recall and NDCG at k = 1 … CURVE_K, averaged over users."""
    if not len(outcome.lists):
        return {name: [] for name in outcome.curves}
    return {name: [float(v) for v in rows.mean(axis=0)] for name, rows in outcome.curves.items()}


def _first_hits(scores: FloatArray, relevant: Sequence[IntArray]) -> FloatArray:
    """Return 1/rank of each row's best relevant item in the full ranking, 0 if it is unlisted."""
    best = np.zeros(len(scores))
    for row, (own, wanted) in enumerate(zip(scores, relevant, strict=True)):
        value = np.max(np.nan_to_num(own[wanted], nan=-np.inf))
        if value == -np.inf:
            continue
        number = wanted[own[wanted] == value].min()  # ties are listed by lower number
        ahead = np.count_nonzero(own > value) + np.count_nonzero(own[:number] == value)
        best[row] = 1.0 / (ahead + 1)
    return best


def _of_lists(metric: Callable[[IntArray, int], float], lists: IntArray, n_items: int) -> Interval:
    n = len(lists)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    groups = min(_GROUPS, n)
    group = np.arange(n) % groups
    without = [metric(lists[group != g], n_items) for g in range(groups)] if groups > 1 else []
    interval = grouped_jackknife(metric(lists, n_items), without, n)
    low, high = max(0.0, interval.low), min(1.0, interval.high)
    return Interval(interval.value, low, high, n)


def _sets_by_user(data: Interactions) -> dict[int, IntArray]:
    """Return each user's distinct items, sorted."""
    pair = np.unique(data.user.astype(np.int64) * (data.n_items + 1) + data.item)
    user, item = np.divmod(pair, data.n_items + 1)
    numbers, starts = np.unique(user, return_index=True)
    parts = np.split(item, starts[1:])
    return {int(number): part for number, part in zip(numbers, parts, strict=False)}
