"""Predict each item from all others by one ridge regression, solved at once."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from recommender.ml.interactions import FloatArray, Interactions
from recommender.ml.models.base import (
    EpochRecord,
    Export,
    FitOptions,
    Recommender,
    TrainingError,
)
from recommender.ml.models.item_knn import taken
from recommender.ml.models.likeness import likeness_vectors
from recommender.ml.models.neighbor_lists import list_arrays, popular_items, strongest


@dataclass(frozen=True)
class EASEConfig:
    """Set the regression and what is kept of it."""

    reg: float = 200.0  # of the ridge: weights shrink as if each item had this many more users
    n_neighbors: int = 100  # weights kept for each item, the strongest of either sign
    max_items: int = 6_000  # the most popular ones take part: memory grows by the square
    half_life_scale: float = 4.0  # in training; stretches every event type's half-life
    fade: float = 0.93  # when scoring: an event one further from the newest counts this share
    history_length: int = 50


class EASE(Recommender):
    """Solve min |X − XB|² + reg |B|² with an empty diagonal (Steck 2019, arXiv 1905.03375, eq. 8).

    Differs: entries of X are decayed event weights; only the most popular items take part, others
    get no weights; each item keeps its strongest weights; a user's newer events count more.
    """

    name = "ease"
    Config = EASEConfig
    config: EASEConfig

    def _epochs(self, data: Interactions, options: FitOptions) -> Iterator[EpochRecord]:
        began = time.perf_counter()
        matrix = taken(data, self.config.half_life_scale)
        chosen = popular_items(data, self.config.max_items)
        if not len(chosen):
            least = "set it to at least 1"
            raise TrainingError(f"max_items is {self.config.max_items}: no item is left; {least}")
        weights = solve(matrix[:, chosen], self.config.reg)
        shape = (data.n_items + 1, data.n_items + 1)
        by_item = strongest(weights.T, self.config.n_neighbors, (chosen, chosen), shape)
        self._lists = by_item.T.tocsr()  # row j: what an event with j adds
        self._vectors = likeness_vectors(data, options.seed)
        yield self._single_record(data, options, time.perf_counter() - began)

    def _export(self, data: Interactions) -> Export:
        del data
        arrays = {
            **list_arrays(self._lists, self._shared()["popularity"], self._vectors),
            "firsts": np.zeros(1, np.int64),
            "fades": np.array([self.config.fade]),
        }
        return Export("transitions", {"history_length": self.config.history_length}, arrays)


def solve(matrix: sparse.csr_matrix, reg: float) -> FloatArray:
    """Return (n, n) float64 weights B: B[j, i] is what an event with j adds to item i.

    With P = (XᵀX + reg I)⁻¹, B[j, i] = −P[j, i] / P[i, i], and 0 on the diagonal. Costs n³
    multiplications and two n² tables.
    """
    gram = np.asfortranarray((matrix.T @ matrix).toarray(), dtype=np.float64)
    gram[np.diag_indices_from(gram)] += reg
    factor, failed = lapack.dpotrf(gram, lower=1, overwrite_a=1)
    inverse, failed_too = lapack.dpotri(factor, lower=1, overwrite_c=1)
    if failed or failed_too:
        raise TrainingError(f"the equations have no solution; raise reg (it is {reg})")
    weights = np.tril(inverse) + np.tril(inverse, -1).T  # the solver fills one triangle
    weights /= -np.diag(weights)
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights)
