"""Draw the items that a softmax is computed against."""

import numpy as np

from recommender.ml.interactions import FloatArray, IntArray

UNIFORM_SHARE = 0.5


class NegativeSampler:
    """Draw negatives half uniformly, half by popularity^power, from items with events only.

    Items without a single event are never drawn: as negatives they would only be pushed down, and
    a new item would start below everything that is merely old.
    """

    def __init__(self, counts: IntArray, power: float = 0.75) -> None:
        """Take the number of events per item, shape (M+1,)."""
        has_events = counts > 0
        has_events[0] = False
        popular = np.where(has_events, counts.astype(np.float64) ** power, 0.0)
        uniform = has_events.astype(np.float64)
        share = UNIFORM_SHARE * uniform / uniform.sum() + (
            (1 - UNIFORM_SHARE) * popular / popular.sum()
        )
        self.share: FloatArray = share  # (M+1,) chance of each item in one draw
        self._numbers = np.flatnonzero(has_events)
        self._edges = np.cumsum(share[self._numbers])

    def draw(self, n: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """Return n item numbers, repeats possible, and log of how often each is expected, (n,)."""
        places = np.searchsorted(self._edges, rng.random(n) * self._edges[-1], side="right")
        items = self._numbers[np.minimum(places, len(self._numbers) - 1)]
        return items, np.log(n * self.share[items])
