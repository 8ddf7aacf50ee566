"""Recommend what resembles the user's own items, by who took both."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recommender.ml.interactions import FloatArray, Interactions
from recommender.ml.models.base import EpochRecord, Export, FitOptions, Recommender
from recommender.ml.models.decay import decayed_weights
from recommender.ml.models.likeness import likeness_vectors
from recommender.ml.models.neighbor_lists import list_arrays

BLOCK = 2_048  # rows of the item–item product held at once


@dataclass(frozen=True)
class ItemKNNConfig:
    """Set how neighbors are found and how a history is read."""

    n_neighbors: int = 100
    shrinkage: float = 20.0  # users that an overlap of two items must exceed to be believed
    half_life_scale: float = 4.0  # in training; stretches every event type's half-life
    half_life_days: float = 60.0  # when scoring: an event this much older counts half; 0 = no decay
    history_length: int = 50


class ItemKNN(Recommender):
    """Compare items by shrunk cosine over users (Sarwar et al. 2001; shrinkage: Bell & Koren 2007).

    Differs: entries are decayed event weights (an item repeated by one user counts once, at its
    strongest), and the user's newer events count more.
    """

    name = "item_knn"
    Config = ItemKNNConfig
    config: ItemKNNConfig

    def _epochs(self, data: Interactions, options: FitOptions) -> Iterator[EpochRecord]:
        began = time.perf_counter()
        self._neighbors = neighbors(taken(data, self.config.half_life_scale), self.config)
        self._vectors = likeness_vectors(data, options.seed)
        yield self._single_record(data, options, time.perf_counter() - began)

    def _export(self, data: Interactions) -> Export:
        del data
        numbers = {
            "half_life_days": self.config.half_life_days,
            "history_length": self.config.history_length,
        }
        arrays = list_arrays(self._neighbors, self._shared()["popularity"], self._vectors)
        return Export("neighbors", numbers, arrays)


def taken(data: Interactions, half_life_scale: float) -> sparse.csr_matrix:
    """Return (U+1, M+1): each user's strongest decayed event with each item."""
    weights = decayed_weights(data, half_life_scale)
    pair = data.user.astype(np.int64) * (data.n_items + 1) + data.item
    pairs, which = np.unique(pair[weights > 0], return_inverse=True)
    strongest = np.zeros(len(pairs))
    np.maximum.at(strongest, which, weights[weights > 0])
    users, items = np.divmod(pairs, data.n_items + 1)
    shape = (data.n_users + 1, data.n_items + 1)
    return sparse.csr_matrix((strongest, (users, items)), shape=shape)


def neighbors(matrix: sparse.csr_matrix, config: ItemKNNConfig) -> sparse.csr_matrix:
    """Return (M+1, M+1): for each item its nearest others, the strongest likeness at most 1.

    likeness(i, j) = Σ_u r_ui r_uj / (|r_i| |r_j| + shrinkage); the diagonal stays empty.
    """
    by_item = matrix.T.tocsr()
    lengths = np.sqrt(np.asarray(by_item.multiply(by_item).sum(axis=1)).ravel())
    rows = [
        _nearest(by_item, matrix, lengths, slice(start, start + BLOCK), config)
        for start in range(0, by_item.shape[0], BLOCK)
    ]
    return sparse.vstack(rows).tocsr()


def _nearest(
    by_item: sparse.csr_matrix,
    matrix: sparse.csr_matrix,
    lengths: FloatArray,
    block: slice,
    config: ItemKNNConfig,
) -> sparse.csr_matrix:
    """Return the block's rows of likeness, each cut to its strongest `n_neighbors`."""
    overlap = (by_item[block] @ matrix).tocsr()
    first = block.start
    indptr, indices, data = [0], [], []
    for row in range(overlap.shape[0]):
        span = slice(overlap.indptr[row], overlap.indptr[row + 1])
        others = overlap.indices[span]
        scale = lengths[first + row] * lengths[others] + config.shrinkage
        likeness = np.where(others == first + row, 0.0, overlap.data[span] / scale)
        # Strongest first, lower number first among equals: the same on every machine.
        order = np.lexsort((others, -likeness))[: config.n_neighbors]
        order = np.sort(order[likeness[order] > 0])
        indices.append(others[order])
        data.append(likeness[order])
        indptr.append(indptr[-1] + len(order))
    return sparse.csr_matrix(
        (np.concatenate(data), np.concatenate(indices), indptr), shape=overlap.shape
    )
