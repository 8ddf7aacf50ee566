"""Say what a score is made of: which of the user's own events carry it, and what else does.

What counts is how high an item stands among the others, so everything here is relative to the
average item: an amount that every item gets alike moves nobody's place, and explains nothing.
"""

from __future__ import annotations

import numpy as np

from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.scoring import History, Scorer

LEAST_SHARE = 0.10  # of its score that an item has to lose without a cited event


def leave_one_out(scorer: Scorer, history: History, items: IntArray) -> FloatArray:
    """Return (n, m) how far each item falls against the average item when each event is left out.

    Faithful by construction: removing the named cause is exactly what was computed. One batch of
    n + 1 histories. A negative drop means that the event speaks against the item.
    """
    batch = [history, *(history.without(event) for event in range(len(history.items)))]
    standing = centered(scorer.score(batch))[:, items]  # (n + 1, m)
    return np.asarray(standing[0] - standing[1:])


def drop_without(scorer: Scorer, history: History, event: int, items: IntArray) -> FloatArray:
    """Return (m,) the row of `leave_one_out` for one event; costs two histories, whatever n is."""
    standing = centered(scorer.score([history, history.without(event)]))[:, items]
    return np.asarray(standing[0] - standing[1])


def centered(scores: FloatArray) -> FloatArray:
    """Return float64 scores (B, M+1) from which each row's mean over items 1..M is taken."""
    exact = scores.astype(np.float64)
    return np.asarray(exact - exact[:, 1:].mean(axis=1, keepdims=True))


def composition(scorer: Scorer, history: History, items: IntArray) -> dict[str, FloatArray]:
    """Split the scores of `items` by what the model knows: bias, taste, content, neighbors …

    Each part is (m,), against the same part of the average item; together they make the score
    against the average score, within 1e-5. Which names there are is the scorer's to say.
    """
    everything = np.arange(1, scorer.n_items + 1)
    split = scorer.parts(history, everything)
    return {name: np.asarray(_against_mean(part)[items - 1]) for name, part in split.items()}


def _against_mean(part: FloatArray) -> FloatArray:
    exact = part.astype(np.float64)
    return np.asarray(exact - exact.mean())


def causes(
    drops: FloatArray, score: float, least_share: float = LEAST_SHARE, most: int = 3
) -> IntArray:
    """Return the events to cite for one item, the strongest first; empty when none carries it.

    An event is a cause when its removal costs the item at least `least_share` of its score. Naming
    a weaker one would be true of many others as well, so the caller says something else instead.

    Args:
        drops: (n,) from `leave_one_out`.
        score: in the same units, zero for the average item.
    """
    needed = max(least_share * abs(score), 1e-9)
    order = np.argsort(-drops, kind="stable")[:most]
    return np.asarray(order[drops[order] >= needed])
