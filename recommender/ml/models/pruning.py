"""Keep linear item models small: which items take part, and which of their weights are stored."""

import numpy as np
from scipy import sparse

from recommender.ml.evaluation import distinct_users
from recommender.ml.interactions import FloatArray, IntArray, Interactions

BIAS_SHARE = 1e-3  # of the weakest stored weight: enough to break ties, too little to decide


def popular_items(data: Interactions, most: int) -> IntArray:
    """Return, rising, the numbers of the `most` items that most people took; none nobody took."""
    counts = distinct_users(data)
    ranked = np.lexsort((np.arange(len(counts)), -counts))[:most]
    return np.sort(ranked[counts[ranked] > 0])


def strongest(
    weights: FloatArray, n: int, places: tuple[IntArray, IntArray], shape: tuple[int, int]
) -> sparse.csr_matrix:
    """Keep each row's `n` largest weights by absolute value, as a CSR matrix of `shape`.

    Args:
        weights: (X, Y) dense.
        places: rows (X,) and columns (Y,) of `shape` at which they stand, both rising.
    """
    rows, columns = places
    n = min(n, weights.shape[1])
    # A stable order: among equals the lower number stays, the same on every machine.
    order = np.sort(np.argsort(-np.abs(weights), axis=1, kind="stable")[:, :n], axis=1)
    kept = np.take_along_axis(weights, order, axis=1)
    where = np.repeat(rows, n), columns[order].ravel()
    matrix = sparse.csr_matrix((kept.ravel(), where), shape=shape)
    matrix.eliminate_zeros()
    return matrix


def tie_breaker(popularity: FloatArray, rows: sparse.csr_matrix) -> FloatArray:
    """Return (M+1,) a trace of popularity, far below the weakest stored weight."""
    weakest = np.abs(rows.data).min() if rows.nnz else 1.0
    return np.asarray(popularity * (BIAS_SHARE * weakest / max(popularity.max(), 1e-9)), np.float32)
