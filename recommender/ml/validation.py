"""Watch training on a later window: one loss and one ranking metric per epoch.

This steers early stopping only. What a version is worth is measured by `ml/evaluation.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from recommender.ml.evaluation import Cases, per_user_mean
from recommender.ml.interactions import FloatArray, Interactions
from recommender.ml.metrics import ndcg_at_k
from recommender.ml.scoring import History
from recommender.ml.topk import mask_seen, top_k
from recommender.ml.visits import histories_at, make_visits, sample

K = 10
MOST_USERS = 1_000  # enough for a standard error near .01, and cheap beside an epoch
BATCH_VISITS = 250
VISITS = 4  # of one user; few, since this runs after every epoch

Score = Callable[[Sequence[History]], FloatArray]


@dataclass(frozen=True)
class Watched:
    """Hold visits with something to find, and what the model may read at each."""

    cases: Cases
    histories: list[History]


def watch(data: Interactions, later: Interactions | None, seed: int) -> Watched | None:
    """Choose up to 1,000 users who took something new in `later`; None when nobody did.

    Each is judged at a few visits, at which the model reads all that the user did before: as live.
    """
    if later is None or not len(later):
        return None
    both = data.followed_by(later)
    since = int(later.time[0])
    everything = np.ones(len(both), dtype=np.bool_)
    visits = make_visits(both, since, both.weight > 0, everything, VISITS)
    cases = sample(visits, MOST_USERS, seed)
    return Watched(cases, histories_at(both, cases)) if len(cases) else None


def judge(score: Score, watched: Watched | None) -> tuple[float | None, float | None]:
    """Return (loss, NDCG@10) over the watched users; None, None without any.

    The loss is −log softmax over all unseen items: the mean over later items, visits, users.
    """
    if watched is None:
        return None, None
    losses: list[float] = []
    gains: list[float] = []
    for start in range(0, len(watched.cases), BATCH_VISITS):
        part = slice(start, start + BATCH_VISITS)
        raw = score(watched.histories[part]).astype(np.float64)
        scores = mask_seen(raw, watched.cases.seen[part])
        ranked = top_k(scores, K)
        for row, relevant in enumerate(watched.cases.relevant[part]):
            top = scores[row].max()
            total = top + np.log(np.exp(scores[row] - top).sum())
            losses.append(float((total - scores[row, relevant]).mean()))
            gains.append(ndcg_at_k(ranked[row], relevant, K))
    _, user_of = np.unique(watched.cases.users, return_inverse=True)
    table = per_user_mean(np.array([losses, gains]).T, user_of)  # (users, 2)
    return float(table[:, 0].mean()), float(table[:, 1].mean())
