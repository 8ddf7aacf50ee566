"""Recommend what people of a like history took: what the user neighbors are exported to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.scorers.kind import Pieces, ScorerKind, check_rows
from recommender.ml.scoring import History, Scorer, cosine_to, event_strengths, with_rows


@dataclass(frozen=True)
class UserNeighborScorer:
    """Find the stored people most like a history, and add up what they took.

    likeness(h, v) = Σ_i h_i r_vi / (|h| |r_v| + shrinkage); an item's score is the share, by
    likeness, of the `n_neighbors` nearest who took it. Costs as much as there are people who share
    an item with the history; nobody else is looked at.
    """

    starts: IntArray  # (V+1,) person v owns starts[v] : starts[v+1]
    items: IntArray  # (N,) what they took
    weights: FloatArray  # (N,) > 0, how much
    bias: FloatArray  # (M+1,) a trace of popularity: breaks ties and serves an empty history
    vectors: FloatArray  # (M+1, D)
    n_neighbors: int
    shrinkage: float
    half_life_days: float = 0.0
    history_length: int = 50

    @property
    def n_items(self) -> int:
        """Return M."""
        return len(self.bias) - 1

    def score(self, histories: Sequence[History]) -> FloatArray:
        """Return share of the nearest + bias."""
        scores: FloatArray = np.empty((len(histories), len(self.bias)), np.float32)
        for row, history in enumerate(histories):
            scores[row] = self._match(history) + self.bias
        scores[:, 0] = -np.inf
        return scores

    def similar(self, item: int) -> FloatArray:
        """Return the cosine between the items' vectors."""
        return cosine_to(self.vectors, item)

    def parts(self, history: History, items: IntArray) -> dict[str, FloatArray]:
        """Split into `match` (what like people took) and `bias` (popularity)."""
        return {
            "bias": np.asarray(self.bias[items], np.float32),
            "match": self._match(history)[items].astype(np.float32),
        }

    @property
    def held_out(self) -> None:
        """Return that any item can be scored as new: it is taken out of everybody's past."""
        return

    def cold(self, items: IntArray) -> "UserNeighborScorer":
        """Return the scorer with nobody having taken these items."""
        kept = np.where(np.isin(self.items, items), np.zeros(1, self.weights.dtype), self.weights)
        return replace(self, weights=kept, bias=with_rows(self.bias, items, 0.0))

    def nearest(self, history: History) -> tuple[IntArray, FloatArray]:
        """Return up to `n_neighbors` stored people and their likeness, in no order."""
        recent = history.last(self.history_length)
        strengths = event_strengths(recent, self.half_life_days)
        edges, people, weights = self._by_item
        starts, ends = edges[recent.items], edges[recent.items + 1]
        where = _ranges(starts, ends)
        overlap = np.bincount(
            people[where],
            weights=weights[where] * np.repeat(strengths, ends - starts),
            minlength=len(self._lengths),
        )
        others = np.flatnonzero(overlap)
        own = float(np.sqrt((strengths**2).sum()))
        likeness = overlap[others] / (own * self._lengths[others] + self.shrinkage)
        if len(others) > self.n_neighbors:
            # Among equals the lower number, so that every machine picks the same people.
            order = np.lexsort((others, -likeness))[: self.n_neighbors]
            others, likeness = others[order], likeness[order]
        return others, likeness

    def _match(self, history: History) -> FloatArray:
        others, likeness = self.nearest(history)
        if not len(others):
            return np.zeros(len(self.bias))
        starts, ends = self.starts[others], self.starts[others + 1]
        where = _ranges(starts, ends)
        shares = np.repeat(likeness / likeness.sum(), ends - starts)
        summed = np.bincount(
            self.items[where], weights=self.weights[where] * shares, minlength=len(self.bias)
        )
        return np.asarray(summed, np.float64)

    @cached_property
    def _lengths(self) -> FloatArray:
        """Return (V,) how long each person's row is."""
        person = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        squares = np.asarray(self.weights, np.float64) ** 2
        return np.sqrt(np.bincount(person, squares, minlength=len(self.starts) - 1))

    @cached_property
    def _by_item(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Return the same rows by item: (M+2,) edges, (N,) people, (N,) weights."""
        person = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        order = np.argsort(self.items, kind="stable")
        edges: IntArray = np.zeros(len(self.bias) + 1, np.int64)
        np.cumsum(np.bincount(self.items, minlength=len(self.bias)), out=edges[1:])
        return edges, person[order], np.asarray(self.weights, np.float64)[order]


def _ranges(starts: IntArray, ends: IntArray) -> IntArray:
    """Return start … end − 1 of every pair, one after the other.

    >>> _ranges(np.array([5, 0]), np.array([7, 1])).tolist()
    [5, 6, 0]
    """
    sizes = ends - starts
    return np.asarray(
        np.arange(sizes.sum()) + np.repeat(starts - np.cumsum(sizes) + sizes, sizes), np.int64
    )


def build(pieces: Pieces) -> Scorer:
    """Return the scorer of checked pieces; reads the four numbers of `UserNeighborScorer`."""
    arrays = pieces.arrays
    return UserNeighborScorer(
        starts=arrays["people_starts"],
        items=arrays["people_items"],
        weights=arrays["people_weights"],
        bias=arrays["item_bias"],
        vectors=arrays["vectors"],
        n_neighbors=int(pieces.number("n_neighbors")),
        shrinkage=pieces.number("shrinkage"),
        half_life_days=pieces.number("half_life_days"),
        history_length=int(pieces.number("history_length")),
    )


def check(pieces: Pieces) -> None:
    """Refuse rows that overlap or point outside the items."""
    check_rows(pieces, ("people_starts", "people_items"), pieces.n_items)


USER_NEIGHBORS = ScorerKind(
    name="user_neighbors",
    shapes={
        "people_starts": "V+1",
        "people_items": "N",
        "people_weights": "N",
        "item_bias": "M+1",
        "vectors": "M+1, D",
    },
    build=build,
    check=check,
)
