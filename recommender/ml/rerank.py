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
    picked, _ = _greedy(vectors[candidates], scores, k, trade_off)
    return candidates[picked]


def mmr_values(rows: FloatArray, scores: FloatArray, trade_off: float) -> FloatArray:
    """Return (C,) what each candidate was worth when `mmr` picked it; sorting by it is that order.

    Along the order the values never rise, since likeness to what stands above only grows. So a
    list drawn from them knows variety without a rule that would have to be logged.

    Args:
        rows: (C, D) vectors of the candidates, unit or zero.
        scores, trade_off: as for `mmr`.
    """
    _, values = _greedy(rows, scores, len(rows), trade_off)
    return values


def _greedy(
    vectors: FloatArray, scores: FloatArray, k: int, trade_off: float
) -> tuple[IntArray, FloatArray]:
    """Return the (n,) places picked, and (C,) what each was worth then, −inf where not picked."""
    if not 0 <= trade_off <= 1:
        raise ValueError(f"trade_off is {trade_off}; expected a share from 0 to 1")
    if not np.all(np.isfinite(scores)):
        raise ValueError("some scores are not finite; rank only items that have a score")
    n = min(k, len(scores))
    values = np.full(len(scores), -np.inf)
    picked = np.empty(n, dtype=np.int64)
    if n == 0:
        return picked, values
    rows = vectors.astype(np.float64)  # (C, D)
    worth = (1 - trade_off) * _scaled_to_one(np.asarray(scores, dtype=np.float64))
    nearest = np.zeros(len(scores))  # max cosine to what is picked; unlike counts as 0
    for step in range(n):
        # Before the first pick nothing is alike; later `nearest` is the penalty.
        now = worth - trade_off * nearest
        best = int(np.argmax(now))
        picked[step], values[best] = best, now[best]
        worth[best] = -np.inf
        nearest = np.maximum(nearest, rows @ rows[best])
    return picked, values


def _scaled_to_one(scores: FloatArray) -> FloatArray:
    low, high = scores.min(), scores.max()
    if high == low:
        return np.zeros(len(scores))
    return np.asarray((scores - low) / (high - low))
