"""Recommend what the people with the most similar histories took."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recommender.ml.interactions import Interactions
from recommender.ml.models.base import EpochRecord, Export, FitOptions, Recommender
from recommender.ml.models.item_knn import taken
from recommender.ml.models.likeness import likeness_vectors

BIAS_SHARE = 1e-3  # the most popular item's: a score is a share, 0 to the largest weight


@dataclass(frozen=True)
class UserKNNConfig:
    """Set whose histories are kept and how they are compared."""

    n_neighbors: int = 50
    shrinkage: float = 10.0  # added to the lengths' product, so that short pasts are not believed
    half_life_scale: float = 4.0  # of stored events; stretches every event type's half-life
    half_life_days: float = 60.0  # when scoring: an event this much older counts half; 0 = no decay
    history_length: int = 20  # the newest: what a person is after now
    max_users: int = 20_000  # kept, those who did the most lately
    row_length: int = 200  # items kept of each, the strongest


class UserKNN(Recommender):
    """Score by what like-minded people took (Resnick et al. 1994; shrinkage: Bell & Koren 2007).

    Differs: shrunk cosine over decayed event weights instead of rating correlation; the history
    at hand is compared, so unknown users are served too and a new event counts at once. Cost and
    size grow with the people kept, hence the two caps.

    Privacy: the artifact holds other people's histories, under row numbers only, without keys or
    names. Who is erased is gone from the next version on; keep artifacts as you keep events.
    """

    name = "user_knn"
    Config = UserKNNConfig
    config: UserKNNConfig

    def _epochs(self, data: Interactions, options: FitOptions) -> Iterator[EpochRecord]:
        began = time.perf_counter()
        self._people = kept_people(taken(data, self.config.half_life_scale), self.config)
        self._vectors = likeness_vectors(data, options.seed)
        yield self._single_record(data, options, time.perf_counter() - began)

    def _export(self, data: Interactions) -> Export:
        del data
        popularity = self._shared()["popularity"]
        bias = popularity * (BIAS_SHARE / max(float(popularity.max()), 1e-9))
        config = self.config
        numbers = {
            "n_neighbors": config.n_neighbors,
            "shrinkage": config.shrinkage,
            "half_life_days": config.half_life_days,
            "history_length": config.history_length,
        }
        arrays = {
            "people_starts": self._people.indptr.astype(np.int64),
            "people_items": self._people.indices.astype(np.int32),
            # As exact as half precision: who is nearest must not hang on the variant that serves.
            "people_weights": self._people.data.astype(np.float16).astype(np.float32),
            "item_bias": bias.astype(np.float32),
            "vectors": self._vectors,
        }
        return Export("user_neighbors", numbers, arrays)


def kept_people(matrix: sparse.csr_matrix, config: UserKNNConfig) -> sparse.csr_matrix:
    """Return (V, M+1): the rows of the most active people, each cut to its strongest entries.

    Rows keep the order of user numbers but lose the numbers themselves.
    """
    activity = np.asarray(matrix.sum(axis=1)).ravel()
    order = np.argsort(-activity, kind="stable")[: config.max_users]
    rows = matrix[np.sort(order[activity[order] > 0])].tocoo()
    strongest = np.lexsort((rows.col, -rows.data, rows.row))
    person = rows.row[strongest]  # rising
    place = np.arange(len(person)) - np.searchsorted(person, person)
    chosen = strongest[place < config.row_length]
    entries = (rows.data[chosen], (rows.row[chosen], rows.col[chosen]))
    return sparse.coo_matrix(entries, shape=rows.shape).tocsr()
