"""Let a small network look at user and item together: what NeuMF is exported to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.scorers.kind import Pieces, ScorerKind
from recommender.ml.scorers.tower import TOWERS, TowerScorer, build_tower
from recommender.ml.scoring import History, Scorer


@dataclass(frozen=True)
class PairNetwork:
    """Hold the weights of the network over a user's and an item's vector.

    score(u, i) = Σ product · u · i + last · relu(second · relu(W_u u + W_i i + b) + b₂). The first
    layer is a sum, so the item's half is worked out once for all users.
    """

    product: FloatArray  # (D,)
    user_layer: FloatArray  # (D, H)
    item_layer: FloatArray  # (D, H)
    first_bias: FloatArray  # (H,)
    second: FloatArray  # (H, G)
    second_bias: FloatArray  # (G,)
    last: FloatArray  # (G,)


PAIR_SHAPES = {
    "product": "D",
    "user_layer": "D, H",
    "item_layer": "D, H",
    "first_bias": "H",
    "second": "H, G",
    "second_bias": "G",
    "last": "G",
}
PAIR = "pair_"  # prefix of the network's arrays


@dataclass(frozen=True)
class PairScorer:
    """Run the tower for the user's vector, then the network over all items at once."""

    tower: TowerScorer
    network: PairNetwork

    @property
    def n_items(self) -> int:
        """Return M."""
        return self.tower.n_items

    @property
    def vectors(self) -> FloatArray:
        """Return the item vectors at unit length."""
        return self.tower.vectors

    def score(self, histories: Sequence[History]) -> FloatArray:
        """Return product + network + item bias; user by user, since a pair table is large."""
        users = self.tower.user_vectors(histories)
        scores: FloatArray = self._products(users) + self.tower.item_bias
        for row, user in enumerate(users):
            scores[row] += self._network(user, self._item_halves)
        scores[:, 0] = -np.inf
        return scores

    def similar(self, item: int) -> FloatArray:
        """Return the cosine between item vectors."""
        return self.tower.similar(item)

    def parts(self, history: History, items: IntArray) -> dict[str, FloatArray]:
        """Split into `bias`, `match` (the product) and `network` (what the layers add)."""
        users = self.tower.user_vectors([history])
        return {
            "bias": np.asarray(self.tower.item_bias[items], np.float32),
            "match": self._products(users)[0, items],
            "network": self._network(users[0], self._item_halves[items]),
        }

    @property
    def held_out(self) -> IntArray:
        """Return the items that training left alone."""
        return self.tower.held_out

    def cold(self, items: IntArray) -> "PairScorer":
        """Return the scorer with the rows that these items had before they were learned."""
        return replace(self, tower=self.tower.cold(items))

    @cached_property
    def _item_halves(self) -> FloatArray:
        halves = self.tower.item_vectors @ self.network.item_layer + self.network.first_bias
        return np.asarray(halves, np.float32)  # (M+1, H)

    def _products(self, users: FloatArray) -> FloatArray:
        return np.asarray((users * self.network.product) @ self.tower.item_vectors.T, np.float32)

    def _network(self, user: FloatArray, halves: FloatArray) -> FloatArray:
        hidden = np.maximum(halves + user @ self.network.user_layer, 0.0)  # (n, H)
        thought = np.maximum(hidden @ self.network.second + self.network.second_bias, 0.0)
        return np.asarray(thought @ self.network.last, np.float32)


def build(pieces: Pieces) -> Scorer:
    """Return the scorer of checked pieces: a tower's, and the network's arrays."""
    arrays = {stem: np.asarray(pieces.arrays[PAIR + stem]) for stem in PAIR_SHAPES}
    return PairScorer(build_tower(pieces), PairNetwork(**arrays))


PAIRS = ScorerKind(
    name="pair",
    shapes={**TOWERS.shapes, **{PAIR + stem: axes for stem, axes in PAIR_SHAPES.items()}},
    optional=TOWERS.optional,
    raw=TOWERS.raw,
    build=build,
    check=TOWERS.check,
)
