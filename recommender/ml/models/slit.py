"""Recommend what follows the newest events, by one linear map found in closed form."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from recommender.ml.interactions import FloatArray, IntArray, Interactions
from recommender.ml.models.base import EpochRecord, Export, FitOptions, Recommender
from recommender.ml.models.likeness import likeness_vectors
from recommender.ml.models.neighbor_lists import list_arrays, popular_items, strongest
from recommender.ml.sequences import Sequences

SPANS = (0, 1)  # the newest event speaks by rows of its own, all earlier ones share theirs


@dataclass(frozen=True)
class SlitConfig:
    """Set what is read, what is predicted, and how much of the map is kept."""

    history_length: int = 15
    fade: float = 0.85  # an earlier event one further away counts this share
    horizon: int = 3  # next events that count as targets
    horizon_fade: float = 0.5  # a target one further away counts this share
    reg: float = 200.0
    n_neighbors: int = 200  # strongest weights kept of each row
    max_items: int = 4_000  # the most popular; memory grows with the square, time with the cube


class Slit(Recommender):
    """Regress the next events on the last ones (Choi et al. 2021, arXiv 2103.16104, SLIT).

    W = (SᵀS + reg·I)⁻¹ SᵀT, where a row of S is what a user did up to an event, faded by distance,
    and that of T what came next. Differs: the newest event has a map of its own, so S is twice as
    wide; weights are event strengths; W is cut to its strongest entries. Where nobody did two
    things in a row, popularity is all that is left.
    """

    name = "slit"
    Config = SlitConfig
    config: SlitConfig

    def _epochs(self, data: Interactions, options: FitOptions) -> Iterator[EpochRecord]:
        began = time.perf_counter()
        config = self.config
        chosen = popular_items(data, config.max_items)
        pasts, futures = windows(Sequences.of(data), data.n_items, config)
        columns = np.concatenate([chosen + span * (data.n_items + 1) for span in SPANS])
        pasts, futures = pasts[:, columns], futures[:, chosen]
        weights = ridge(pasts, futures, config.reg)
        shape = (len(SPANS) * (data.n_items + 1), data.n_items + 1)
        self._rows = strongest(weights, config.n_neighbors, (columns, chosen), shape)
        self._vectors = likeness_vectors(data, options.seed)
        yield self._single_record(data, options, time.perf_counter() - began)

    def _export(self, data: Interactions) -> Export:
        del data
        arrays = {
            **list_arrays(self._rows, self._shared()["popularity"], self._vectors),
            "firsts": np.array(SPANS, np.int64),
            "fades": np.array([1.0, self.config.fade]),
        }
        return Export("transitions", {"history_length": self.config.history_length}, arrays)


def windows(
    sequences: Sequences, n_items: int, config: SlitConfig
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Return S, (N, 2·(M+1)) what lay before each event, and T, (N, M+1) what came from it on."""
    user = np.repeat(np.arange(len(sequences.starts) - 1), np.diff(sequences.starts))
    past = [
        _shifted(sequences, user, distance, 1.0 if distance == 1 else config.fade ** (distance - 2))
        for distance in range(1, config.history_length + 1)
    ]
    width = n_items + 1
    newest = _matrix(past[:1], len(user), width)
    earlier = _matrix(past[1:], len(user), width)
    ahead = [
        _shifted(sequences, user, -step, config.horizon_fade**step)
        for step in range(config.horizon)
    ]
    return sparse.hstack([newest, earlier]).tocsr(), _matrix(ahead, len(user), width)


def ridge(inputs: sparse.csr_matrix, outputs: sparse.csr_matrix, reg: float) -> FloatArray:
    """Return (X, Y) weights that minimize |outputs − inputs·W|² + reg·|W|²."""
    gram = (inputs.T @ inputs).toarray().astype(np.float32)
    gram[np.diag_indices_from(gram)] += reg
    target = (inputs.T @ outputs).toarray().astype(np.float32)
    factor = linalg.cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    return np.asarray(linalg.cho_solve(factor, target, overwrite_b=True, check_finite=False))


Entries = tuple[IntArray, IntArray, FloatArray]  # rows, columns, values


def _shifted(sequences: Sequences, user: IntArray, distance: int, share: float) -> Entries:
    """Return entries that put, in each event's row, the same user's event `distance` before it."""
    n = len(user)
    rows = np.arange(max(distance, 0), n + min(distance, 0))
    rows = rows[user[rows] == user[rows - distance]]
    there = rows - distance
    return rows, sequences.items[there], share * sequences.weights[there]


def _matrix(entries: list[Entries], n_rows: int, width: int) -> sparse.csr_matrix:
    if not entries:
        return sparse.csr_matrix((n_rows, width))
    rows, columns, values = (np.concatenate(part) for part in zip(*entries, strict=True))
    return sparse.csr_matrix((values, (rows, columns)), shape=(n_rows, width))
