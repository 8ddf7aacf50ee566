"""Scorers small enough to work out by hand."""

import numpy as np

from recommender.ml.scorers.fold_in import FoldInScorer
from recommender.ml.scorers.neighbors import NeighborScorer
from recommender.ml.scorers.tower import TowerScorer
from recommender.ml.scoring import History

DAY = 86_400


def history(items, weights=None, times=None, features=(), user=0):
    """Build the history of these items, one second apart."""
    n = len(items)
    return History(
        items=np.array(items, np.int64),
        weights=np.array([1.0] * n if weights is None else weights, np.float32),
        values=np.full(n, np.nan, np.float32),
        times=np.array(range(n) if times is None else times, np.int64),
        features=np.array(features, np.float32),
        user=user,
    )


def neighbors(**changes):
    """Build: item 1 is near 2 (0.5) and 3 (0.25), item 2 is near 1 (0.5), item 3 near nothing."""
    facts = {
        "indptr": np.array([0, 0, 2, 3, 3]),
        "indices": np.array([2, 3, 1]),
        "data": np.array([0.5, 0.25, 0.5], np.float32),
        "bias": np.array([0, 0.001, 0.002, 0.003], np.float32),
        "vectors": np.zeros((4, 1), np.float32),
    }
    return NeighborScorer(**(facts | changes))


def fold_in(alpha=1.0):
    """Build two items with factors 1 and −1 (D = 1), no bias, reg 1."""
    vectors = np.array([[0.0], [1.0], [-1.0]])
    rows = np.array([[1.0, 1.0], [-1.0, 1.0]])
    return FoldInScorer(vectors, np.zeros(3), rows.T @ rows + np.eye(2), np.zeros(2), alpha)


class FakeSession:
    """Answer with the mean item vector of the history, as a graph might."""

    def get_inputs(self):
        names = ("vectors", "lengths", "user")
        return [type("Input", (), {"name": name}) for name in names]

    def run(self, _, feeds):
        assert set(feeds) == {"vectors", "lengths", "user"}
        total = feeds["vectors"].sum(axis=1) + feeds["user"]
        return [total / np.maximum(feeds["lengths"], 1)[:, None].astype(np.float32)]


def tower(**changes):
    """Build three items in two dimensions."""
    facts = {
        "session": FakeSession(),
        "item_vectors": np.array([[0, 0], [2, 0], [0, 1], [1, 1]], np.float32),
        "item_bias": np.array([0, 0.1, 0.2, 0.3], np.float32),
        "default_features": np.zeros(0, np.float32),
        "history_length": 2,
        "own_vectors": np.zeros((3, 2), np.float32),
    }
    return TowerScorer(**(facts | changes))
