"""Score ranked lists against what people took later. Binary relevance; item numbers 1..M.

Of one list: `precision_at_k recall_at_k ndcg_at_k reciprocal_rank hit_at_k intra_list_diversity
novelty`. Of many lists together: `coverage gini`. `judge` gives the first five for a whole batch
and every cut at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recommender.ml.interactions import BoolArray, FloatArray, IntArray


def precision_at_k(ranked: IntArray, relevant: IntArray, k: int) -> float:
    """Return the share of the first k that is relevant.

    Args:
        ranked: item numbers, best first, no repeats, shape (≥ k,); 0 fills an unfilled place.
        relevant: held-out item numbers, any order, shape (r,).
    Returns: a share in [0, 1]; NaN when `relevant` is empty, since nothing can be judged. With
        r < k even a perfect list stays below 1: r/k.
    Raises: ValueError when k < 1 or `ranked` is shorter than k.

    >>> precision_at_k(np.array([4, 2, 9, 1]), np.array([2, 1, 7]), 4)
    0.5
    """
    hits = _hits(ranked, relevant, k)
    return float(hits.mean()) if len(relevant) else math.nan


def recall_at_k(ranked: IntArray, relevant: IntArray, k: int) -> float:
    """Return the share of the relevant items found in the first k.

    Args and errors as `precision_at_k`. The divisor is r, not min(r, k), so a user with more than
    k relevant items cannot reach 1.
    Returns: a share in [0, 1]; NaN when `relevant` is empty.

    >>> recall_at_k(np.array([4, 2, 9, 1]), np.array([2, 1, 7, 8]), 2)
    0.25
    """
    hits = _hits(ranked, relevant, k)
    return float(hits.sum() / len(np.unique(relevant))) if len(relevant) else math.nan


def ndcg_at_k(ranked: IntArray, relevant: IntArray, k: int) -> float:
    """Return the list's discounted gain as a share of the best list's.

    Args and errors as `precision_at_k`.
    Returns: a share in [0, 1]; NaN when `relevant` is empty.
    Source: Järvelin & Kekäläinen 2002, binary gain, discount 1/log2(rank + 1). Ideal list cut at k.

    >>> round(ndcg_at_k(np.array([4, 2]), np.array([2]), 2), 6)  # 1/log2(3)
    0.63093
    """
    hits = _hits(ranked, relevant, k)
    if not len(relevant):
        return math.nan
    discounts = discount(k)
    ideal = discounts[: len(np.unique(relevant))].sum()  # at most k of them
    return float((hits * discounts).sum() / ideal)


def reciprocal_rank(ranked: IntArray, relevant: IntArray) -> float:
    """Return 1/rank of the first relevant item in the whole list, 0 when it has none.

    Returns: a share in [0, 1]; NaN when `relevant` is empty. Its mean over users is MRR.

    >>> reciprocal_rank(np.array([4, 2, 9]), np.array([9, 2]))
    0.5
    """
    if not len(relevant):
        return math.nan
    if not len(ranked):
        return 0.0
    places = np.flatnonzero(_hits(ranked, relevant, len(ranked)))
    return float(1 / (places[0] + 1)) if len(places) else 0.0


def hit_at_k(ranked: IntArray, relevant: IntArray, k: int) -> float:
    """Return 1 when the first k hold a relevant item, else 0; NaN when `relevant` is empty.

    Errors as `precision_at_k`.

    >>> hit_at_k(np.array([4, 2, 9]), np.array([9]), 2)
    0.0
    """
    hits = _hits(ranked, relevant, k)
    return float(hits.any()) if len(relevant) else math.nan


@dataclass(frozen=True)
class Judgment:
    """Per-user figures of a batch of lists at every cut 1..k; NaN where nothing is held out."""

    precision: FloatArray  # (B, k)
    recall: FloatArray  # (B, k)
    ndcg: FloatArray  # (B, k)
    hit: FloatArray  # (B, k)
    reciprocal_rank: FloatArray  # (B,) within the first k


def judge(ranked: IntArray, relevant: Sequence[IntArray], k: int) -> Judgment:
    """Judge a batch of lists at every cut from 1 to k.

    Args:
        ranked: shape (B, ≥ k), best first; 0 fills an unfilled place.
        relevant: B arrays of item numbers, without repeats.
    Raises: ValueError as the functions for one list.
    """
    if len(ranked) != len(relevant):
        raise ValueError(f"{len(ranked)} lists for {len(relevant)} users; give one list a user")
    rows = [_hits(row, own, k) for row, own in zip(ranked, relevant, strict=True)]
    hits = np.stack(rows) if rows else np.zeros((0, k), dtype=np.bool_)  # (B, k)
    size = np.array([[len(own)] for own in relevant], dtype=np.float64).reshape(-1, 1)  # (B, 1)
    size[size == 0] = np.nan
    cuts = np.arange(1, k + 1)
    found = np.cumsum(hits, axis=1)
    judged = np.where(np.isnan(size), np.nan, 1.0)
    ideal = np.concatenate([[np.nan], np.cumsum(discount(k))])  # by number of ideal hits
    reachable = np.minimum(np.nan_to_num(size), cuts).astype(np.int64)  # (B, k)
    first = np.where(hits.any(axis=1), 1 / (hits.argmax(axis=1) + 1), 0.0)
    return Judgment(
        precision=found / cuts * judged,
        recall=found / size,
        ndcg=np.cumsum(hits * discount(k), axis=1) / ideal[reachable],
        hit=np.where(found > 0, 1.0, 0.0) * judged,
        reciprocal_rank=first * judged[:, 0],
    )


def coverage(lists: IntArray, n_items: int) -> float:
    """Return the share of all items that stand in at least one list.

    Args:
        lists: shape (B, k); 0 is no item.
    Returns: a share in [0, 1]; NaN when there are no items.
    Raises: ValueError when a list holds a number above `n_items`.

    >>> coverage(np.array([[1, 2], [2, 0]]), 4)
    0.5
    """
    counts = _exposures(lists, n_items)
    return float((counts > 0).sum() / n_items) if n_items else math.nan


def gini(lists: IntArray, n_items: int) -> float:
    """Return how unequally items are shown: 0 all alike, (n − 1)/n one item only.

    Args and errors as `coverage`. Items never shown count.
    Returns: a share in [0, 1); NaN when nothing is shown.
    Source: Gini 1912; Σ(2i − n − 1)x_i / (n Σx) over exposures in rising order.

    >>> gini(np.array([[1, 2], [1, 2]]), 4)
    0.5
    """
    counts = np.sort(_exposures(lists, n_items)).astype(np.float64)
    if not counts.sum():
        return math.nan
    rank = np.arange(1, n_items + 1)
    return float(((2 * rank - n_items - 1) * counts).sum() / (n_items * counts.sum()))


def novelty(ranked: IntArray, share: FloatArray) -> float:
    """Return the mean surprise −log2(share) of a list's items, in bits.

    Args:
        ranked: item numbers; 0 is no item and is left out.
        share: shape (M+1,), how large a share of users knows each item, in (0, 1]. Smooth it first
            (`popularity_share`): an item nobody knows would be infinitely novel.
    Returns: ≥ 0; NaN for a list without items.
    Source: Zhou et al. 2010 (self-information); Vargas & Castells 2011, eq. 3.

    >>> novelty(np.array([1, 2]), np.array([1.0, 0.5, 0.125]))
    2.0
    """
    shown = ranked[ranked > 0]
    return float(-np.log2(share[shown]).mean()) if len(shown) else math.nan


def popularity_share(users_per_item: FloatArray, n_users: int) -> FloatArray:
    """Return each item's share of users, one user added to both sides so that none is 0.

    >>> popularity_share(np.array([0, 0, 3]), 3)
    array([0.25, 0.25, 1.  ])
    """
    return (users_per_item + 1.0) / (n_users + 1.0)


def intra_list_diversity(ranked: IntArray, vectors: FloatArray) -> float:
    """Return the mean of 1 − cosine over all pairs of a list's items.

    Args:
        ranked: item numbers; 0 is no item and is left out.
        vectors: shape (M+1, D), unit rows; items with a zero row are unknown and left out.
    Returns: in [0, 2], 0 when all are alike; NaN with fewer than two known items.
    Source: Smyth & McClave 2001; Ziegler et al. 2005 with cosine.

    >>> intra_list_diversity(np.array([1, 2]), np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    1.0
    """
    rows = vectors[ranked[ranked > 0]].astype(np.float64)
    rows = rows[np.any(rows != 0, axis=1)]
    n = len(rows)
    if n < 2:
        return math.nan
    # Σ_{a≠b} cos = |Σ v|² − Σ|v|², so no n × n table is needed.
    total = rows.sum(axis=0)
    cosines = float(total @ total - (rows * rows).sum())
    return min(2.0, max(0.0, 1.0 - cosines / (n * (n - 1))))


def discount(k: int) -> FloatArray:
    """Return 1/log2(rank + 1) for ranks 1..k."""
    return np.asarray(1.0 / np.log2(np.arange(2, k + 2)), dtype=np.float64)


def _hits(ranked: IntArray, relevant: IntArray, k: int) -> BoolArray:
    if k < 1:
        raise ValueError(f"k is {k}; judge at least the first item")
    if len(ranked) < k:
        raise ValueError(f"the list holds {len(ranked)} items; judging the first {k} needs {k}")
    top = ranked[:k]
    return np.isin(top, relevant) & (top > 0)


def _exposures(lists: IntArray, n_items: int) -> IntArray:
    if lists.size and lists.max() > n_items:
        raise ValueError(f"a list holds item {lists.max()}; there are only {n_items}")
    return np.bincount(lists.ravel(), minlength=n_items + 1)[1:]
