"""Score items for a user from arrays alone: what serving and evaluation share.

A scorer is read-only and safe to share between threads. It never sees torch: a trained model is
exported to arrays (and a user tower in ONNX) that one of the kinds below can read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recommender.ml.interactions import FloatArray, IntArray

DAY_S = 86_400.0


@dataclass(frozen=True)
class History:
    """Hold one user's positive events, oldest first; items unknown to the model are dropped."""

    items: IntArray  # (n,) item numbers of the artifact
    weights: FloatArray  # (n,)
    values: FloatArray  # (n,) rating, NaN when none
    times: IntArray  # (n,) seconds since 1970
    features: FloatArray  # (F_u,); all zeros or empty = unknown, the model's mean user stands in
    user: int = 0  # user number in the artifact, 0 = unknown

    def without(self, index: int) -> "History":
        """Return the history as if event `index` had not happened."""
        keep = np.arange(len(self.items)) != index
        return replace(
            self,
            items=self.items[keep],
            weights=self.weights[keep],
            values=self.values[keep],
            times=self.times[keep],
        )

    def last(self, length: int) -> "History":
        """Return the newest `length` events only."""
        if len(self.items) <= length:
            return self
        cut = slice(len(self.items) - length, None)
        return replace(
            self,
            items=self.items[cut],
            weights=self.weights[cut],
            values=self.values[cut],
            times=self.times[cut],
        )

    @classmethod
    def empty(cls, n_features: int = 0) -> "History":
        """Return the history of somebody who has done nothing yet."""
        return cls(
            items=np.zeros(0, np.int32),
            weights=np.zeros(0, np.float32),
            values=np.zeros(0, np.float32),
            times=np.zeros(0, np.int64),
            features=np.zeros(n_features, np.float32),
        )


class Scorer(Protocol):
    """Rank all items of one catalog for any number of users."""

    @property
    def n_items(self) -> int:
        """Return M; items are numbered 1..M."""
        ...

    @property
    def vectors(self) -> FloatArray:
        """Return (M+1, D) rows of unit length (or zero) for diversity and neighbors."""
        ...

    def score(self, histories: Sequence[History]) -> FloatArray:
        """Return (B, M+1) float32 scores, higher is better; column 0 is −inf."""
        ...

    def similar(self, item: int) -> FloatArray:
        """Return (M+1,) likeness to `item`; itself and column 0 are −inf."""
        ...

    def parts(self, history: History, items: IntArray) -> dict[str, FloatArray]:
        """Split the scores of `items` into named parts that sum to the score."""
        ...


def unit_rows(vectors: FloatArray) -> FloatArray:
    """Scale every row to length 1; a row of zeros stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: FloatArray = (vectors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return unit


def cosine_to(vectors: FloatArray, item: int) -> FloatArray:
    """Return the cosine of every unit row to row `item`; itself and row 0 are −inf."""
    likeness: FloatArray = np.asarray(vectors @ vectors[item], dtype=np.float32)
    likeness[[0, item]] = -np.inf
    return likeness


def event_strengths(history: History, half_life_days: float) -> FloatArray:
    """Return (n,) weights halved for every `half_life_days` that an event lies before the newest.

    Age counts from the user's newest event, not from now: one who returns after a year keeps the
    same order of evidence. `half_life_days` 0 means no decay.
    """
    if half_life_days <= 0 or not len(history.times):
        return np.asarray(history.weights, dtype=np.float64)
    age_days = (history.times.max() - history.times) / DAY_S
    return np.asarray(history.weights * np.exp2(-age_days / half_life_days))


@dataclass(frozen=True)
class PopularityScorer:
    """Give everybody the same list."""

    popularity: FloatArray  # (M+1,)
    vectors: FloatArray  # (M+1, D)

    @property
    def n_items(self) -> int:
        """Return M."""
        return len(self.popularity) - 1

    def score(self, histories: Sequence[History]) -> FloatArray:
        """Return the same row for every history."""
        scores: FloatArray = np.tile(np.asarray(self.popularity, np.float32), (len(histories), 1))
        scores[:, 0] = -np.inf
        return scores

    def similar(self, item: int) -> FloatArray:
        """Compare content vectors, since popularity knows no likeness."""
        return cosine_to(self.vectors, item)

    def parts(self, history: History, items: IntArray) -> dict[str, FloatArray]:
        """Return the one part there is."""
        del history  # nobody is different here
        return {"bias": np.asarray(self.popularity[items], np.float32)}


@dataclass(frozen=True)
class NeighborScorer:
    """Add up, over the user's events, the likeness of each item to the event's item."""

    indptr: IntArray  # (M+2,) CSR rows: item j's neighbors
    indices: IntArray  # (nnz,)
    data: FloatArray  # (nnz,)
    bias: FloatArray  # (M+1,) a trace of popularity: breaks ties and serves an empty history
    vectors: FloatArray  # (M+1, D)
    half_life_days: float = 0.0
    history_length: int = 50

    @property
    def n_items(self) -> int:
        """Return M."""
        return len(self.bias) - 1

    def score(self, histories: Sequence[History]) -> FloatArray:
        """Sum neighbor rows; cost grows with history length × neighbors, not with M × events."""
        scores: FloatArray = np.empty((len(histories), len(self.bias)), np.float32)
        for row, history in enumerate(histories):
            scores[row] = self._match(history) + self.bias
        scores[:, 0] = -np.inf
        return scores

    def similar(self, item: int) -> FloatArray:
        """Return the stored neighbor weights of `item`, 0 for everything else."""
        likeness: FloatArray = np.zeros(len(self.bias), np.float32)
        row = slice(int(self.indptr[item]), int(self.indptr[item + 1]))
        likeness[self.indices[row]] = self.data[row]
        likeness[[0, item]] = -np.inf
        return likeness

    def parts(self, history: History, items: IntArray) -> dict[str, FloatArray]:
        """Split into `match` (evidence of the history) and `bias` (popularity)."""
        return {
            "bias": np.asarray(self.bias[items], np.float32),
            "match": self._match(history)[items].astype(np.float32),
        }

    def _match(self, history: History) -> FloatArray:
        recent = history.last(self.history_length)
        if not len(recent.items):
            return np.zeros(len(self.bias), np.float64)
        starts, ends = self.indptr[recent.items], self.indptr[recent.items + 1]
        where = np.concatenate([np.arange(a, b) for a, b in zip(starts, ends, strict=True)])
        strengths = np.repeat(event_strengths(recent, self.half_life_days), ends - starts)
        summed = np.bincount(
            self.indices[where], weights=self.data[where] * strengths, minlength=len(self.bias)
        )
        return np.asarray(summed, np.float64)


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

    def _solve(self, history: History) -> FloatArray:
        items, which = np.unique(history.items, return_inverse=True)
        confidence = np.zeros(len(items))  # a repeat counts once, at its strongest
        np.maximum.at(confidence, which, self.alpha * history.weights)
        rows = np.hstack([self.item_vectors[items], np.ones((len(items), 1))])  # (n, D+1)
        left = self.gram + (rows.T * confidence) @ rows
        residual = (1.0 + confidence) - confidence * self.item_bias[items]
        return np.asarray(np.linalg.solve(left, self.offset + rows.T @ residual), np.float32)


@dataclass(frozen=True)
class TowerScorer:
    """Compute the user's vector from the events at the request, then one product with all items.

    The tower is an ONNX graph with any of the inputs `vectors` (B, L, D), the item vectors of the
    history padded right with zeros, `weights` (B, L), `lengths` (B,) int64, `features` (B, F_u),
    `user` (B, D), the user's own vector; its output is (B, D).
    """

    session: Any  # onnxruntime.InferenceSession: untyped
    item_vectors: FloatArray  # (M+1, D)
    item_bias: FloatArray  # (M+1,)
    default_features: FloatArray  # (F_u,) the mean user's
    history_length: int
    components: Mapping[str, FloatArray] = field(default_factory=dict)  # sum to item_vectors
    own_vectors: FloatArray | None = None  # (U+1, D), row 0 = zeros: users known at training

    @property
    def n_items(self) -> int:
        """Return M."""
        return len(self.item_bias) - 1

    @cached_property
    def vectors(self) -> FloatArray:
        """Return the item vectors at unit length."""
        return unit_rows(self.item_vectors)

    @cached_property
    def _inputs(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.session.get_inputs())

    def user_vectors(self, histories: Sequence[History]) -> FloatArray:
        """Run the tower once for the whole batch and return (B, D)."""
        packed = pack(histories, self.history_length, self.default_features)
        feeds: dict[str, NDArray[Any]] = {**packed, "vectors": self.item_vectors[packed["items"]]}
        if self.own_vectors is not None:
            feeds["user"] = self.own_vectors[packed["users"]]
        (users,) = self.session.run(None, {name: feeds[name] for name in self._inputs})
        return np.asarray(users, np.float32)

    def score(self, histories: Sequence[History]) -> FloatArray:
        """Return user vector · item vector + item bias."""
        scores: FloatArray = self.user_vectors(histories) @ self.item_vectors.T  # (B, M+1)
        scores += self.item_bias
        scores[:, 0] = -np.inf
        return scores

    def similar(self, item: int) -> FloatArray:
        """Return the cosine between item vectors."""
        return cosine_to(self.vectors, item)

    def parts(self, history: History, items: IntArray) -> dict[str, FloatArray]:
        """Split into `bias` and the match with each component of the item vectors."""
        (user,) = self.user_vectors([history])
        components = self.components or {"match": self.item_vectors}
        matches = {name: np.asarray(rows[items] @ user) for name, rows in components.items()}
        return {"bias": np.asarray(self.item_bias[items], np.float32), **matches}


@dataclass(frozen=True)
class BlendScorer:
    """Add to a tower's scores the standardized scores of neighbors, times a weight.

    The tower reads the order of events, the neighbors who took what together; they err apart.
    """

    tower: TowerScorer
    neighbors: NeighborScorer
    neighbor_weight: float

    @property
    def n_items(self) -> int:
        """Return M."""
        return self.tower.n_items

    @property
    def vectors(self) -> FloatArray:
        """Return the tower's item vectors at unit length."""
        return self.tower.vectors

    def score(self, histories: Sequence[History]) -> FloatArray:
        """Return tower + weight · (neighbors − mean) / deviation, both over the user's items."""
        scores = self.tower.score(histories)
        for row, matches in enumerate(self.neighbors.score(histories)):
            scores[row, 1:] += self.neighbor_weight * _standardized(matches[1:])
        return scores

    def similar(self, item: int) -> FloatArray:
        """Return the cosine between the tower's item vectors."""
        return self.tower.similar(item)

    def parts(self, history: History, items: IntArray) -> dict[str, FloatArray]:
        """Split into the tower's parts and `neighbors`."""
        matches = self.neighbors.score([history])[0]
        own = np.zeros(len(matches), np.float32)
        own[1:] = self.neighbor_weight * _standardized(matches[1:])
        return {**self.tower.parts(history, items), "neighbors": own[items]}


def _standardized(scores: FloatArray) -> FloatArray:
    """Return (M,) scores with mean 0 and deviation 1; all zeros when they do not differ."""
    deviation = float(scores.std())
    if deviation <= 0:
        return np.zeros_like(scores)
    return np.asarray((scores - scores.mean()) / deviation, np.float32)


def pack(
    histories: Sequence[History], length: int, default_features: FloatArray
) -> dict[str, NDArray[Any]]:
    """Return a batch as padded arrays: the newest `length` events of each, left-aligned."""
    recent = [history.last(length) for history in histories]
    lengths = np.array([len(history.items) for history in recent], np.int64)
    width = max(1, int(lengths.max(initial=0)))
    items = np.zeros((len(recent), width), np.int64)
    weights = np.zeros((len(recent), width), np.float32)
    features = np.tile(np.asarray(default_features, np.float32), (len(recent), 1))
    for row, history in enumerate(recent):
        items[row, : lengths[row]] = history.items
        weights[row, : lengths[row]] = history.weights
        if len(history.features) == features.shape[1] and np.any(history.features):
            features[row] = history.features
    users = np.array([history.user for history in recent], np.int64)
    return {
        "items": items,
        "weights": weights,
        "lengths": lengths,
        "features": features,
        "users": users,
    }
