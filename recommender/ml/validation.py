"""Watch training on a later window: one loss and one ranking metric per epoch.

This steers early stopping only. What a version is worth is measured by `ml/evaluation.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from recommender.ml.evaluation import Cases, histories_of, make_cases
from recommender.ml.interactions import FloatArray, Interactions
from recommender.ml.metrics import ndcg_at_k
from recommender.ml.scoring import History
from recommender.ml.topk import mask_seen, top_k

K = 10
MOST_USERS = 1_000  # enough for a standard error near .01, and cheap beside an epoch
BATCH_USERS = 250

Score = Callable[[Sequence[History]], FloatArray]


@dataclass(frozen=True)
class Watched:
    """Hold users with something to find, and what the model may read about them."""

    cases: Cases
    histories: list[History]


def watch(data: Interactions, later: Interactions | None, seed: int) -> Watched | None:
    """Choose up to 1,000 users who took something new in `later`; None when nobody did."""
    if later is None:
        return None
    cases = make_cases(data, later.positives(), data)
    if not len(cases):
        return None
    places = np.arange(len(cases))
    if len(cases) > MOST_USERS:
        places = np.random.default_rng(seed).choice(places, MOST_USERS, replace=False)
    places = np.sort(places)
    chosen = Cases(
        users=cases.users[places],
        relevant=tuple(cases.relevant[place] for place in places),
        seen=tuple(cases.seen[place] for place in places),
        history_length=cases.history_length[places],
    )
    return Watched(chosen, histories_of(data, chosen.users))


def judge(score: Score, watched: Watched | None) -> tuple[float | None, float | None]:
    """Return (loss, NDCG@10) over the watched users; None, None without any.

    The loss is −log softmax over all unseen items, averaged over later items, then users.
    """
    if watched is None:
        return None, None
    losses, gains = [], []
    for start in range(0, len(watched.cases), BATCH_USERS):
        part = slice(start, start + BATCH_USERS)
        raw = score(watched.histories[part]).astype(np.float64)
        scores = mask_seen(raw, watched.cases.seen[part])
        ranked = top_k(scores, K)
        for row, relevant in enumerate(watched.cases.relevant[part]):
            top = scores[row].max()
            total = top + np.log(np.exp(scores[row] - top).sum())
            losses.append(float((total - scores[row, relevant]).mean()))
            gains.append(ndcg_at_k(ranked[row], relevant, K))
    return float(np.mean(losses)), float(np.mean(gains))
