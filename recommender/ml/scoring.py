"""Score items for a user from arrays alone: what serving and evaluation share.

A scorer is read-only and safe to share between threads. It never sees torch: a trained model is
exported to arrays (and a user tower in ONNX) that one of the kinds in `ml/scorers` can read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.tokens import gap_buckets

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
    kinds: IntArray | None = None  # (n,) `kind_slot` of each event's type; None = all unknown

    def without(self, index: int) -> "History":
        """Return the history as if event `index` had not happened."""
        return self.keep(np.delete(np.arange(len(self.items)), index))

    def last(self, length: int) -> "History":
        """Return the newest `length` events only."""
        n = len(self.items)
        return self if n <= length else self.keep(np.arange(n - length, n))

    def first(self, length: int) -> "History":
        """Return the oldest `length` events only."""
        return self.keep(np.arange(min(length, len(self.items))))

    def keep(self, chosen: IntArray) -> "History":
        """Return the history of the events at these places only."""
        return replace(
            self,
            items=self.items[chosen],
            weights=self.weights[chosen],
            values=self.values[chosen],
            times=self.times[chosen],
            kinds=None if self.kinds is None else self.kinds[chosen],
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

    @property
    def held_out(self) -> IntArray | None:
        """Return the items that can be scored as new: those that training left alone; None: any."""
        ...

    def cold(self, items: IntArray) -> "Scorer":
        """Return a scorer for which nobody ever touched these items, each of `held_out`."""
        ...


def with_rows(table: FloatArray, items: IntArray, rows: FloatArray | float) -> FloatArray:
    """Return a copy of a table with other rows for these items."""
    changed: FloatArray = np.array(table)
    changed[items] = rows
    return changed


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


def pack(
    histories: Sequence[History], length: int, default_features: FloatArray
) -> dict[str, NDArray[Any]]:
    """Return a batch as padded arrays: the newest `length` events of each, left-aligned.

    Pauses are measured over the whole history, so that the oldest event read has one too.
    """
    lengths = np.array([min(len(history.items), length) for history in histories], np.int64)
    shape = len(histories), max(1, int(lengths.max(initial=0)))
    packed: dict[str, NDArray[Any]] = {
        "items": np.zeros(shape, np.int64),
        "weights": np.zeros(shape, np.float32),
        "gaps": np.zeros(shape, np.int64),
        "kinds": np.zeros(shape, np.int64),
        "values": np.full(shape, np.nan, np.float32),
        "lengths": lengths,
        "features": np.tile(np.asarray(default_features, np.float32), (len(histories), 1)),
        "users": np.array([history.user for history in histories], np.int64),
    }
    for row, history in enumerate(histories):
        n = int(lengths[row])
        newest = slice(len(history.items) - n, None)
        packed["items"][row, :n] = history.items[newest]
        packed["weights"][row, :n] = history.weights[newest]
        packed["gaps"][row, :n] = gap_buckets(history.times)[newest]
        packed["values"][row, :n] = history.values[newest]
        if history.kinds is not None:
            packed["kinds"][row, :n] = history.kinds[newest]
        if len(history.features) == packed["features"].shape[1] and np.any(history.features):
            packed["features"][row] = history.features
    return packed
