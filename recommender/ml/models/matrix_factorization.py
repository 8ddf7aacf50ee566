"""Factor who-took-what into user and item vectors plus biases, by alternating least squares."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recommender.ml.artifact import WEIGHTS, Array, pack_weights
from recommender.ml.interactions import FloatArray, Interactions
from recommender.ml.models.base import (
    EpochRecord,
    Export,
    FitOptions,
    Recommender,
    WarmStart,
    open_start,
)
from recommender.ml.models.item_knn import taken
from recommender.ml.validation import judge, watch

START_SCALE = 0.1
SOLVE_BATCH = 256


@dataclass(frozen=True)
class MatrixFactorizationConfig:
    """Set the size of the factors and how much an event outweighs an absence."""

    embedding_size: int = 48
    epochs: int = 8
    reg: float = 8.0
    alpha: float = 3.0  # confidence added by an event of weight 1
    half_life_scale: float = 4.0  # stretches every event type's half-life


class MatrixFactorization(Recommender):
    """Score by x_u · y_i + a_u + b_i (Hu, Koren & Volinsky 2008, implicit feedback).

    Differs: biases are factors whose partner is fixed at 1, so each half-step stays exact least
    squares. A user's vector is solved from the history when scoring, by the half-step that training
    ends with: for a whole, unchanged history it *is* the learned vector, and new events move it.
    """

    name = "matrix_factorization"
    Config = MatrixFactorizationConfig
    config: MatrixFactorizationConfig
    users: FloatArray  # (U+1, D+1) [vector, bias]
    items: FloatArray  # (M+1, D+1)

    def _epochs(self, data: Interactions, options: FitOptions) -> Iterator[EpochRecord]:
        config = self.config
        watched = watch(data, options.validation, options.seed)
        by_user = taken(data, config.half_life_scale)
        by_item = by_user.T.tocsr()
        rng = np.random.default_rng(options.seed)
        self.items = START_SCALE * rng.standard_normal(
            (data.n_items + 1, config.embedding_size + 1)
        )
        if options.start is not None:
            self._begin_from(options.start)
        self.items[0] = 0
        self.users = half_step(by_user, self.items, config)
        for epoch in range(1, config.epochs + 1):
            began = time.perf_counter()
            self.items = half_step(by_item, self.users, config)
            if options.should_stop():
                break
            self.users = half_step(by_user, self.items, config)
            spent = time.perf_counter() - began
            loss = squared_error(by_user, self.users, self.items, config.alpha)
            validation_loss, ndcg = judge(self.scorer().score, watched)
            speed = by_user.nnz / max(spent, 1e-9)
            yield EpochRecord(epoch, config.epochs, loss, validation_loss, ndcg, speed)

    def _export(self, data: Interactions) -> Export:
        del data
        vectors, bias = self.items[:, :-1], self.items[:, -1]
        rows = partners(self.items)
        gram = rows.T @ rows + self.config.reg * np.eye(rows.shape[1])
        arrays: dict[str, Array] = {
            "item_vectors": vectors.astype(np.float32),
            "item_bias": bias.astype(np.float32),
            "gram": gram,
            "offset": -rows.T @ bias,
        }
        weights = pack_weights({"items": self.items.astype(np.float32)})
        return Export("fold_in", {"alpha": self.config.alpha}, arrays, {WEIGHTS: weights})

    def _finite_arrays(self) -> Mapping[str, Array]:
        return {"users": self.users, "items": self.items}

    def _begin_from(self, start: WarmStart) -> None:
        weights = open_start(start, self.name)
        rows, old = weights.rows_for(start.item_ids), weights.arrays["items"]
        if old.shape[1] == self.items.shape[1]:  # another size has nothing to hand on
            self.items[rows > 0] = old[rows[rows > 0]]


def partners(factors: FloatArray) -> FloatArray:
    """Return [vector, 1] for each [vector, bias]: what the other side's factors multiply.

    Row 0 stays zero: nobody and nothing must not count as an absence.
    """
    rows = factors.copy()
    rows[:, -1] = 1.0
    rows[0] = 0.0
    return rows


def half_step(
    matrix: sparse.csr_matrix, factors: FloatArray, config: MatrixFactorizationConfig
) -> FloatArray:
    """Return the exact best [vector, bias] of every row of `matrix`, given the columns' factors.

    Minimizes Σ c (p − row · partner − bias)² + reg |row|², c = 1 + alpha · r, p = 1 where r > 0.
    """
    rows, bias = partners(factors), factors[:, -1]
    shared = rows.T @ rows + config.reg * np.eye(rows.shape[1])
    offset = -rows.T @ bias
    solved = np.zeros((matrix.shape[0], rows.shape[1]))
    for start in range(0, matrix.shape[0], SOLVE_BATCH):
        stop = min(start + SOLVE_BATCH, matrix.shape[0])
        left = np.repeat(shared[None], stop - start, axis=0)
        right = np.repeat(offset[None], stop - start, axis=0)
        for place in range(start, stop):
            span = slice(matrix.indptr[place], matrix.indptr[place + 1])
            own, confidence = matrix.indices[span], config.alpha * matrix.data[span]
            left[place - start] += (rows[own].T * confidence) @ rows[own]
            right[place - start] += (1 + confidence - confidence * bias[own]) @ rows[own]
        solved[start:stop] = np.linalg.solve(left, right[..., None])[..., 0]
    solved[0] = 0.0
    return solved


def squared_error(
    by_user: sparse.csr_matrix, users: FloatArray, items: FloatArray, alpha: float
) -> float:
    """Return the weighted squared error over all pairs, per observed pair; costs no full table."""
    left = np.hstack([users, np.ones((len(users), 1))])[1:]  # [x, a, 1]
    right = np.hstack([items[:, :-1], np.ones((len(items), 1)), items[:, -1:]])[1:]  # [y, 1, b]
    everywhere = float(((left.T @ left) * (right.T @ right)).sum())
    pairs = by_user.tocoo()
    scores = (left[pairs.row - 1] * right[pairs.col - 1]).sum(axis=1)
    observed = (1 + alpha * pairs.data) * (1 - scores) ** 2 - scores**2
    return (everywhere + float(observed.sum())) / max(1, int(by_user.nnz))
