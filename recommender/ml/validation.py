"""Watch training on a later window: one loss and one ranking metric per epoch.

This steers early stopping only. What a version is worth is measured by `ml/evaluation.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from recommender.ml.interactions import FloatArray, IntArray, Interactions
from recommender.ml.metrics import ndcg_at_k
from recommender.ml.scoring import History
from recommender.ml.sequences import histories_of
from recommender.ml.topk import mask_seen, top_k

K = 10
MOST_USERS = 1_000  # enough for a standard error near .01, and cheap beside an epoch
BATCH_USERS = 250

Score = Callable[[Sequence[History]], FloatArray]


@dataclass(frozen=True)
class Cases:
    """Hold users with something to find: what they did before, had seen, and took later."""

    histories: list[History]
    seen: list[IntArray]
    relevant: list[IntArray]


def cases_of(data: Interactions, later: Interactions | None, seed: int) -> Cases | None:
    """Choose up to 1,000 users who took something new in `later`; None when nobody did."""
    if later is None:
        return None
    order, starts = data.by_user()
    taken = later.positives()
    later_order, later_starts = taken.by_user()
    users, seen, relevant = [], [], []
    for user in np.unique(taken.user).tolist():
        known = np.unique(data.item[order[starts[user] : starts[user + 1]]])
        items = taken.item[later_order[later_starts[user] : later_starts[user + 1]]]
        new = np.setdiff1d(items, known)
        if len(new):
            users.append(user)
            seen.append(known)
            relevant.append(new)
    if not users:
        return None
    places = np.arange(len(users))
    if len(users) > MOST_USERS:
        places = np.random.default_rng(seed).choice(places, MOST_USERS, replace=False)
    chosen = sorted(places.tolist())
    return Cases(
        histories=histories_of(data, [users[place] for place in chosen]),
        seen=[seen[place] for place in chosen],
        relevant=[relevant[place] for place in chosen],
    )


def judge(score: Score, cases: Cases | None) -> tuple[float | None, float | None]:
    """Return (loss, NDCG@10) over the cases: None, None without any.

    The loss is −log softmax over all unseen items, averaged over later items, then users.
    """
    if cases is None:
        return None, None
    losses, gains = [], []
    for start in range(0, len(cases.histories), BATCH_USERS):
        part = slice(start, start + BATCH_USERS)
        scores = mask_seen(score(cases.histories[part]).astype(np.float64), cases.seen[part])
        ranked = top_k(scores, K)
        for row, relevant in enumerate(cases.relevant[part]):
            top = scores[row].max()
            total = top + np.log(np.exp(scores[row] - top).sum())
            losses.append(float((total - scores[row, relevant]).mean()))
            gains.append(ndcg_at_k(ranked[row], relevant, K))
    return float(np.mean(losses)), float(np.mean(gains))
