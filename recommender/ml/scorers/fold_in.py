"""Solve for the user's factors at the request: what matrix factorization is exported to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.scorers.kind import Pieces, ScorerKind
from recommender.ml.scoring import History, Scorer, cosine_to, unit_rows, with_rows


@dataclass(frozen=True)
class FoldInScorer:
    """Solve the user's own least-squares problem over fixed item factors (one ALS half-step).

    Minimizes Σ_i c_i (p_i − x·[v_i, 1] − b_i)² + reg |x|² with c = 1 and p = 0 for every item,
    except c = 1 + alpha · weight and p = 1 for items in the history (Hu, Koren & Volinsky 2008,
    eq. 4, with biases). The vector of training is the same solution over the whole history, so a
    user needs no stored vector and a new event moves the answer.
    """

    item_vectors: FloatArray  # (M+1, D)
    item_bias: FloatArray  # (M+1,)
    gram: FloatArray  # (D+1, D+1) Σ_i [v_i, 1]ᵀ[v_i, 1] + reg
    offset: FloatArray  # (D+1,) −Σ_i b_i [v_i, 1]
    alpha: float

    @property
    def n_items(self) -> int:
        """Return M."""
        return len(self.item_bias) - 1

    @cached_property
    def vectors(self) -> FloatArray:
        """Return the factors at unit length."""
        return unit_rows(self.item_vectors)

    def user_vectors(self, histories: Sequence[History]) -> FloatArray:
        """Return (B, D+1): the user's factors, then the user's bias."""
        return np.stack([self._solve(history) for history in histories])

    def score(self, histories: Sequence[History]) -> FloatArray:
        """Solve for each user, then one product with all items."""
        users = self.user_vectors(histories)
        scores: FloatArray = np.asarray(
            users[:, :-1] @ self.item_vectors.T + users[:, -1:] + self.item_bias, np.float32
        )
        scores[:, 0] = -np.inf
        return scores

    def similar(self, item: int) -> FloatArray:
        """Return the cosine between item factors."""
        return cosine_to(self.vectors, item)

    def parts(self, history: History, items: IntArray) -> dict[str, FloatArray]:
        """Split into `match` (taste, with the user's own level) and `bias` (the item's level)."""
        user = self._solve(history)
        return {
            "bias": np.asarray(self.item_bias[items], np.float32),
            "match": np.asarray(self.item_vectors[items] @ user[:-1] + user[-1], np.float32),
        }

    @property
    def held_out(self) -> None:
        """Return that any item can be scored as new: its factors can be taken away."""
        return

    def cold(self, items: IntArray) -> "FoldInScorer":
        """Return the scorer with factors of zero and the lowest bias of all for these items.

        That is where an item without events ends up; the users' own problem is without them too.
        """
        ones = np.ones((len(items), 1))
        known = np.hstack([self.item_vectors[items], ones]).astype(np.float64)  # (n, D+1)
        blank = np.hstack([np.zeros_like(self.item_vectors[items]), ones])
        lowest = float(self.item_bias[1:].min())
        gram = self.gram - known.T @ known + blank.T @ blank
        offset = self.offset + self.item_bias[items] @ known - lowest * blank.sum(axis=0)
        return replace(
            self,
            item_vectors=with_rows(self.item_vectors, items, 0.0),
            item_bias=with_rows(self.item_bias, items, lowest),
            gram=gram,
            offset=offset,
        )

    def _solve(self, history: History) -> FloatArray:
        items, which = np.unique(history.items, return_inverse=True)
        confidence = np.zeros(len(items))  # a repeat counts once, at its strongest
        np.maximum.at(confidence, which, self.alpha * history.weights)
        rows = np.hstack([self.item_vectors[items], np.ones((len(items), 1))])  # (n, D+1)
        left = self.gram + (rows.T * confidence) @ rows
        residual = (1.0 + confidence) - confidence * self.item_bias[items]
        return np.asarray(np.linalg.solve(left, self.offset + rows.T @ residual), np.float32)


def build(pieces: Pieces) -> Scorer:
    """Return the scorer of checked pieces; reads `alpha`."""
    arrays = pieces.arrays
    return FoldInScorer(
        item_vectors=arrays["item_vectors"],
        item_bias=arrays["item_bias"],
        gram=arrays["gram"],
        offset=arrays["offset"],
        alpha=pieces.number("alpha"),
    )


FOLD_IN = ScorerKind(
    name="fold_in",
    shapes={"item_vectors": "M+1, D", "item_bias": "M+1", "gram": "D+1, D+1", "offset": "D+1"},
    build=build,
)
