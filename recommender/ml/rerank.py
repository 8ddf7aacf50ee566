"""Trade some relevance for variety, greedily, from the top of the list down."""

from __future__ import annotations

import numpy as np

from recommender.ml.interactions import FloatArray, IntArray


def mmr(
    candidates: IntArray, scores: FloatArray, vectors: FloatArray, k: int, trade_off: float
) -> IntArray:
    """Order candidates so that each next one is good and unlike those before it.

    Picks argmax (1 − trade_off) · relevance − trade_off · max cosine to the items picked, with
    relevance = score scaled to [0, 1] over the candidates. The first is the best by score; equal
    values go to the earlier candidate. Cost: k products of C × D.

    Args:
        candidates: (C,) item numbers, no repeats.
        scores: (C,) finite.
        vectors: (M+1, D) unit rows; an item with a zero row is unlike everything.
        k: how many to pick; fewer candidates give a shorter list.
        trade_off: share of variety in [0, 1]; 0 is the order by score.
    Returns: (min(k, C),) item numbers.
    Raises: ValueError for a trade_off outside [0, 1] or scores that are not finite.
    Source: Carbonell & Goldstein 1998, with λ = 1 − trade_off.
    """
    if not 0 <= trade_off <= 1:
        raise ValueError(f"trade_off is {trade_off}; expected a share from 0 to 1")
    if not np.all(np.isfinite(scores)):
        raise ValueError("some scores are not finite; rank only items that have a score")
    n = min(k, len(candidates))
    if n == 0:
        return candidates[:0]
    rows = vectors[candidates].astype(np.float64)  # (C, D)
    worth = (1 - trade_off) * _scaled_to_one(np.asarray(scores, dtype=np.float64))
    nearest = np.zeros(len(candidates))  # max cosine to what is picked; unlike counts as 0
    picked = np.empty(n, dtype=np.int64)
    for step in range(n):
        # Before the first pick nothing is alike; later `nearest` is the penalty.
        best = int(np.argmax(worth - trade_off * nearest))
        picked[step] = best
        worth[best] = -np.inf
        nearest = np.maximum(nearest, rows @ rows[best])
    return candidates[picked]


def _scaled_to_one(scores: FloatArray) -> FloatArray:
    low, high = scores.min(), scores.max()
    if high == low:
        return np.zeros(len(scores))
    return np.asarray((scores - low) / (high - low))
