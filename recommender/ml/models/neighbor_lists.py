"""Store item–item weights as lists, for models that add them up over a history."""

import numpy as np
from scipy import sparse

from recommender.ml.interactions import FloatArray
from recommender.ml.models.base import Export

BIAS_SHARE = 1e-3  # of the weakest stored weight: enough to break ties, too little to decide


def export_lists(
    lists: sparse.csr_matrix,
    popularity: FloatArray,
    vectors: FloatArray,
    numbers: dict[str, float],
) -> Export:
    """Return what the scorer kind "neighbors" reads: row j holds what an event with j adds."""
    weakest = np.abs(lists.data).min() if lists.nnz else 1.0
    bias = popularity * (BIAS_SHARE * weakest / max(popularity.max(), 1e-9))
    arrays = {
        "indptr": lists.indptr.astype(np.int64),
        "indices": lists.indices.astype(np.int32),
        "data": lists.data.astype(np.float32),
        "item_bias": bias.astype(np.float32),
        "vectors": vectors,
    }
    return Export("neighbors", numbers, arrays)
