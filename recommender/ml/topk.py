"""Choose the k best items, exactly and in a repeatable order; serving and evaluation share it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recommender.ml.interactions import FloatArray, IntArray


def top_k(scores: FloatArray, k: int) -> IntArray:
    """Return the item numbers of the k best scores, best first; equal scores by lower number.

    Args:
        scores: shape (M+1,) or (B, M+1); column 0 is padding and is never chosen.
        k: list length.
    Returns: shape (k,) or (B, k). Items scored −inf or NaN are not listed: a list that runs out of
        items is filled up with 0.
    Raises: ValueError when k < 1.

    >>> top_k(np.array([9.0, 0.5, 2.0, 0.5]), 3)
    array([2, 1, 3])
    >>> top_k(np.array([9.0, -np.inf, 2.0]), 2)
    array([2, 0])
    """
    if k < 1:
        raise ValueError(f"k is {k}; ask for at least 1 item")
    table = np.atleast_2d(scores)
    cost = -table[:, 1:]  # (B, M)
    cost = np.where(np.isnan(cost), np.inf, cost)
    kept = min(k, cost.shape[1])
    chosen = np.zeros((len(table), k), dtype=np.int64)
    if kept == 0:
        return chosen.reshape((*scores.shape[:-1], k))
    # The k-th cost first: everything up to it, ties included, is a small set to sort stably.
    limit = np.partition(cost, kept - 1, axis=1)[:, kept - 1]
    for row, (costs, worst) in enumerate(zip(cost, limit, strict=True)):
        near = np.flatnonzero((costs <= worst) & (costs < np.inf))
        best = near[np.argsort(costs[near], kind="stable")[:kept]]
        chosen[row, : len(best)] = best + 1
    return chosen.reshape((*scores.shape[:-1], k))


def mask_seen(scores: FloatArray, seen: IntArray | Sequence[IntArray]) -> FloatArray:
    """Return a copy of the scores in which each user's own seen items, and item 0, are −inf.

    Args:
        scores: shape (M+1,) with one array of item numbers, or (B, M+1) with B arrays.
        seen: item numbers, any order, repeats allowed; numbers beyond M are unknown and ignored.
    Raises: ValueError when there are not as many seen arrays as rows.

    >>> mask_seen(np.array([0.0, 1.0, 2.0]), np.array([2]))
    array([-inf,   1., -inf])
    """
    masked = np.array(scores, copy=True)
    table = masked.reshape(-1, masked.shape[-1])
    rows = [np.asarray(seen)] if masked.ndim == 1 else list(seen)
    if len(rows) != len(table):
        raise ValueError(f"{len(rows)} seen arrays for {len(table)} rows of scores; give one each")
    for row, numbers in zip(table, rows, strict=True):
        row[numbers[numbers < len(row)]] = -np.inf
    table[:, 0] = -np.inf
    return masked
