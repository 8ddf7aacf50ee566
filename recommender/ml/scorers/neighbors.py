"""Add up stored likenesses between items: what item neighbors are exported to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.scorers.kind import Pieces, ScorerKind, check_rows
from recommender.ml.scoring import History, Scorer, event_strengths, with_rows


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

    @property
    def held_out(self) -> None:
        """Return that any item can be scored as new: likenesses are counted pair by pair."""
        return

    def cold(self, items: IntArray) -> "NeighborScorer":
        """Return the scorer with these items being like none and nobody having taken them."""
        row = np.repeat(np.arange(self.n_items + 1), np.diff(self.indptr))
        is_gone = np.isin(self.indices, items) | np.isin(row, items)
        likeness = np.where(is_gone, np.zeros(1, self.data.dtype), self.data)
        return replace(self, data=likeness, bias=with_rows(self.bias, items, 0.0))

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


def build(pieces: Pieces) -> Scorer:
    """Return the scorer of checked pieces; reads `half_life_days` and `history_length`."""
    arrays = pieces.arrays
    return NeighborScorer(
        indptr=arrays["indptr"],
        indices=arrays["indices"],
        data=arrays["data"],
        bias=arrays["item_bias"],
        vectors=arrays["vectors"],
        half_life_days=pieces.number("half_life_days"),
        history_length=int(pieces.number("history_length")),
    )


def check(pieces: Pieces) -> None:
    """Refuse neighbor rows that overlap or point outside the items."""
    check_rows(pieces, ("indptr", "indices"), pieces.n_items)


NEIGHBORS = ScorerKind(
    name="neighbors",
    shapes={
        "indptr": "M+2",
        "indices": "N",
        "data": "N",
        "item_bias": "M+1",
        "vectors": "M+1, D",
    },
    build=build,
    check=check,
)
