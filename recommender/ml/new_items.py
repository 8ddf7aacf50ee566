"""Judge a model on items it never met: does it place them by what is known of them?

Each user counts once, at the first of their visits from which they still took a new item. The
model reads what they had done by then, without the new items, as if nobody had touched those.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from recommender.ml.cold import without_items
from recommender.ml.evaluation import Cases, ScoresFor, make_cases
from recommender.ml.interactions import FloatArray, IntArray, Interactions
from recommender.ml.stats import Interval, bootstrap_means
from recommender.ml.visits import draw

HIT_K = 10
N_WARM = 99
AUC, HIT = "auc", f"hit@{HIT_K}"
_BATCH = 128


@dataclass(frozen=True)
class NewItemCases:
    """The users who took a new item later, one visit each, with what it is compared to."""

    cases: Cases  # relevant holds the new items taken, and only those
    items: IntArray  # (C,) all new items, rising
    others: tuple[IntArray, ...]  # n arrays: new items that the user never touched
    warm: tuple[IntArray, ...]  # n arrays: 99 known items that they never touched, or none

    def __len__(self) -> int:
        """Count the users."""
        return len(self.cases)

    @property
    def n_pairs(self) -> int:
        """Count the pairs of a user and a new item they took."""
        return sum(len(own) for own in self.cases.relevant)


def make_new_item_cases(
    data: Interactions, visits: Cases, items: IntArray, known: IntArray, seed: int
) -> NewItemCases:
    """Collect who took one of these items later, and draw what it must outscore.

    Args:
        data: all events of the users; whatever one touched is no alternative for them.
        visits: as in any evaluation.
        items: (C,) the new items.
        known: items that people had taken before the window; the new ones among them are left out.
        seed: draws the same known items for every model.
    """
    items = np.unique(items)
    chosen, wanted = _first_visits(visits, items)
    order, starts = data.by_user()
    warm = np.setdiff1d(known, items)
    others, drawn = [], []
    for user in visits.users[chosen]:
        touched = np.unique(data.item[order[starts[user] : starts[user + 1]]])
        others.append(np.setdiff1d(items, touched, assume_unique=True))
        free = np.setdiff1d(warm, touched, assume_unique=True)
        rng = np.random.default_rng((seed, int(user)))
        drawn.append(rng.choice(free, N_WARM, replace=False) if len(free) >= N_WARM else free[:0])
    cases = replace(visits.take(chosen), relevant=tuple(wanted))
    return NewItemCases(cases, items, tuple(others), tuple(drawn))


def make_timeless_cases(data: Interactions, items: IntArray, seed: int) -> NewItemCases:
    """Collect who took one of these items at any time: for benchmarks without a clock.

    Since training never saw them, every event with them can be asked for; `data` is all there is.
    A model is to read the history of all other items: `histories_of(without_items(data, items),
    cases.cases.users)`.
    """
    rest = without_items(data, items)
    taken = data.take((data.weight > 0) & np.isin(data.item, items))
    known = np.unique(rest.item[rest.weight > 0])
    return make_new_item_cases(data, make_cases(rest, taken, rest), items, known, seed)


def limited(cases: NewItemCases, most: int, seed: int) -> NewItemCases:
    """Keep at most so many users, drawn by a seed."""
    places = draw(len(cases), most, seed)
    return replace(
        cases,
        cases=cases.cases.take(places),
        others=tuple(cases.others[place] for place in places),
        warm=tuple(cases.warm[place] for place in places),
    )


def judge_new_items(scores_for: ScoresFor, cases: NewItemCases) -> Mapping[str, FloatArray]:
    """Return `auc` and `hit@10` of each user, (n,); NaN where there is nothing to compare with.

    Cost is one scoring of every user. `scores_for` must score the new items as new.
    """
    auc, hit = np.full(len(cases), math.nan), np.full(len(cases), math.nan)
    for start in range(0, len(cases), _BATCH):
        chosen = np.arange(start, min(start + _BATCH, len(cases)))
        for case, row in zip(chosen, scores_for(chosen), strict=True):
            taken = row[cases.cases.relevant[case]]
            auc[case] = area_under_curve(taken, row[cases.others[case]])
            known = row[cases.warm[case]]
            if len(known):
                hit[case] = np.mean([hit_among(score, known, HIT_K) for score in taken])
    return {AUC: auc, HIT: hit}


def sum_up(figures: Mapping[str, FloatArray], seed: int) -> dict[str, Interval]:
    """Return the mean of each per-user figure with its 95 % interval, by resampling users."""
    intervals = bootstrap_means(np.stack(list(figures.values()), axis=1), seed)
    return dict(zip(figures, intervals, strict=True))


def area_under_curve(taken: FloatArray, others: FloatArray) -> float:
    """Return the share of pairs in which a taken item outscores another; a tie counts half.

    Returns: a share in [0, 1], .5 for chance; NaN when either side is empty.
    Source: Mann & Whitney 1947; Rendle et al. 2009, section 4.2, over one user's items.

    >>> area_under_curve(np.array([3.0, 1.0]), np.array([2.0, 1.0]))
    0.625
    """
    if not len(taken) or not len(others):
        return math.nan
    ranked = np.sort(others)
    below = np.searchsorted(ranked, taken, side="left")
    up_to = np.searchsorted(ranked, taken, side="right")
    return float(np.mean(below + up_to) / (2 * len(others)))


def hit_among(score: float, others: FloatArray, k: int) -> float:
    """Return the chance that an item stands in the first k, items of equal score being shuffled.

    So a model that cannot tell them apart gets k/(n + 1), as a random one does.

    >>> hit_among(1.0, np.array([2.0, 1.0, 0.0]), 2)
    0.5
    """
    ahead = np.count_nonzero(others > score)
    equal = np.count_nonzero(others == score)
    return float(min(1.0, max(0.0, (k - ahead) / (equal + 1))))


def _first_visits(visits: Cases, items: IntArray) -> tuple[IntArray, list[IntArray]]:
    """Return each user's first visit that new items follow, and those items."""
    chosen: list[int] = []
    wanted: list[IntArray] = []
    done = 0  # users are numbered from 1 and never fall
    for case, user in enumerate(visits.users):
        own = np.intersect1d(visits.relevant[case], items)
        if user != done and len(own):
            chosen.append(case)
            wanted.append(own)
            done = int(user)
    return np.array(chosen, dtype=np.int64), wanted
