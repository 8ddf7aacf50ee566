"""Keep and store item–item weights as lists, for models that add them up over a history."""

import numpy as np
from scipy import sparse

from recommender.ml.artifact import Array
from recommender.ml.evaluation import distinct_users
from recommender.ml.interactions import FloatArray, IntArray, Interactions

BLOCK = 1_024  # rows sorted at once
BIAS_SHARE = 1e-3  # of the weakest stored weight: enough to break ties, too little to decide


def list_arrays(
    lists: sparse.csr_matrix, popularity: FloatArray, vectors: FloatArray
) -> dict[str, Array]:
    """Return the arrays of stored lists: row j holds what an event with j adds."""
    weakest = np.abs(lists.data).min() if lists.nnz else 1.0
    bias = popularity * (BIAS_SHARE * weakest / max(popularity.max(), 1e-9))
    return {
        "indptr": lists.indptr.astype(np.int64),
        "indices": lists.indices.astype(np.int32),
        "data": lists.data.astype(np.float32),
        "item_bias": bias.astype(np.float32),
        "vectors": vectors,
    }


def popular_items(data: Interactions, most: int) -> IntArray:
    """Return, rising, the numbers of the `most` items that most people took; none nobody took."""
    counts = distinct_users(data)
    ranked = np.lexsort((np.arange(len(counts)), -counts))[: max(most, 0)]
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
    n, kept, where = min(n, weights.shape[1]), [], []
    for start in range(0, len(weights), BLOCK):
        block = weights[start : start + BLOCK]
        # A stable order: among equals the lower number stays, the same on every machine.
        order = np.sort(np.argsort(-np.abs(block), axis=1, kind="stable")[:, :n], axis=1)
        kept.append(np.take_along_axis(block, order, axis=1).ravel())
        where.append(columns[order].ravel())
    nothing = np.zeros(0)
    entries = np.concatenate([nothing, *kept])
    at = np.repeat(rows, n), np.concatenate([nothing.astype(np.int64), *where])
    matrix = sparse.csr_matrix((entries, at), shape=shape)
    matrix.eliminate_zeros()
    return matrix
