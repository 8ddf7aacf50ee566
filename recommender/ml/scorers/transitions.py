"""Add up what usually follows each of the newest events: what linear item models are exported to.

How much an event says depends on how many events lie after it, not on the time between them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.scorers.kind import Pieces, ScorerKind, check_rows
from recommender.ml.scoring import History, Scorer, with_rows


@dataclass(frozen=True)
class TransitionScorer:
    """Sum, over the events read, the stored row of the event's item at the event's distance.

    Distances are cut into S spans, each with rows of its own: the newest event has distance 0.
    """

    indptr: IntArray  # (S·(M+1)+1,) CSR rows: span s, item j stands in row s·(M+1) + j
    indices: IntArray  # (nnz,) the items that follow
    data: FloatArray  # (nnz,)
    firsts: IntArray  # (S,) nearest distance of each span, rising from 0
    fades: FloatArray  # (S,) in a span, an event one further away counts this share
    bias: FloatArray  # (M+1,) a trace of popularity: breaks ties and serves an empty history
    vectors: FloatArray  # (M+1, D)
    history_length: int

    @property
    def n_items(self) -> int:
        """Return M."""
        return len(self.bias) - 1

    def score(self, histories: Sequence[History]) -> FloatArray:
        """Sum rows; cost grows with events read × stored neighbors."""
        scores: FloatArray = np.empty((len(histories), len(self.bias)), np.float32)
        for row, history in enumerate(histories):
            scores[row] = self._match(history) + self.bias
        scores[:, 0] = -np.inf
        return scores

    def similar(self, item: int) -> FloatArray:
        """Return what follows `item` at once; itself and column 0 are −inf."""
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
        """Return that any item can be scored as new: its own weights are told apart."""
        return

    def cold(self, items: IntArray) -> "TransitionScorer":
        """Return the scorer with these items following none and followed by none.

        The other weights were found in the presence of these items; that trace stays.
        """
        row = np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr)) % len(self.bias)
        is_gone = np.isin(self.indices, items) | np.isin(row, items)
        kept = np.where(is_gone, np.zeros(1, self.data.dtype), self.data)
        return replace(self, data=kept, bias=with_rows(self.bias, items, 0.0))

    def _match(self, history: History) -> FloatArray:
        recent = history.last(self.history_length)
        if not len(recent.items):
            return np.zeros(len(self.bias))
        distances = np.arange(len(recent.items))[::-1]
        spans, strengths = span_strengths(distances, self.firsts, self.fades)
        rows = spans * len(self.bias) + recent.items
        starts, ends = self.indptr[rows], self.indptr[rows + 1]
        where = np.concatenate([np.arange(a, b) for a, b in zip(starts, ends, strict=True)])
        weights = np.repeat(strengths * recent.weights, ends - starts)
        summed = np.bincount(
            self.indices[where], weights=self.data[where] * weights, minlength=len(self.bias)
        )
        return np.asarray(summed, np.float64)


def span_strengths(
    distances: IntArray, firsts: IntArray, fades: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Return the span of each distance and how much an event at it counts.

    >>> span_strengths(np.array([0, 1, 3]), np.array([0, 1]), np.array([1.0, 0.5]))
    (array([0, 1, 1]), array([1.  , 1.  , 0.25]))
    """
    spans = np.searchsorted(firsts, distances, side="right") - 1
    return spans, np.asarray(fades)[spans] ** (distances - np.asarray(firsts)[spans])


def build(pieces: Pieces) -> Scorer:
    """Return the scorer of checked pieces; reads `history_length`."""
    arrays = pieces.arrays
    return TransitionScorer(
        indptr=arrays["indptr"],
        indices=arrays["indices"],
        data=arrays["data"],
        firsts=arrays["firsts"],
        fades=arrays["fades"],
        bias=arrays["item_bias"],
        vectors=arrays["vectors"],
        history_length=int(pieces.number("history_length")),
    )


def check(pieces: Pieces) -> None:
    """Refuse rows that overlap or are not one per span and item, and spans that do not rise."""
    check_rows(pieces, ("indptr", "indices"), pieces.n_items)
    firsts, expected = pieces.arrays["firsts"], pieces.arrays["firsts"].size * (pieces.n_items + 1)
    if len(pieces.arrays["indptr"]) != expected + 1:
        raise pieces.refuse("indptr", f"it has not {expected} rows, one for each span and item")
    if not len(firsts) or firsts[0] != 0 or (np.diff(firsts) <= 0).any():
        raise pieces.refuse("firsts", "the spans do not rise from 0")


TRANSITIONS = ScorerKind(
    name="transitions",
    shapes={
        "indptr": "R+1",
        "indices": "N",
        "data": "N",
        "firsts": "S",
        "fades": "S",
        "item_bias": "M+1",
        "vectors": "M+1, D",
    },
    build=build,
    check=check,
)
