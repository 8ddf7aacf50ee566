"""Say what a score is made of: which of the user's own events carry it, and what else does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.scoring import History, Scorer

CONSTANT_PARTS = frozenset({"bias"})  # parts of a score that do not depend on the user


@dataclass(frozen=True)
class Contributions:
    """Scores of m items split over n events; everything in one column sums to its score."""

    events: FloatArray  # (n, m) what the score loses without the event
    parts: Mapping[str, FloatArray]  # name → (m,), the same for every user
    profile: FloatArray  # (m,) what the history as a whole adds beyond its single events
    score: FloatArray  # (m,)

    def total(self) -> FloatArray:
        """Add everything up: the score, but for rounding."""
        return np.asarray(self.events.sum(axis=0) + sum(self.parts.values()) + self.profile)


def leave_one_out(scorer: Scorer, history: History, items: IntArray) -> FloatArray:
    """Return (n, m) how far each item's score falls when each event is left out.

    Faithful by construction: removing the named cause is exactly what was computed. One batch of
    n + 1 histories. A negative drop means that the event speaks against the item.
    """
    _, drops = _scores_and_drops(scorer, history, items)
    return drops


def contributions(scorer: Scorer, history: History, items: IntArray) -> Contributions:
    """Split the scores of `items` into event drops, constant parts and the remainder.

    Drops of events that say the same add up to less than their joint effect, those of events that
    need each other to more; `profile` holds the difference, so nothing is hidden.
    """
    score, drops = _scores_and_drops(scorer, history, items)
    split = scorer.parts(history, items)
    constant = {
        name: np.asarray(part, dtype=np.float64)
        for name, part in split.items()
        if name in CONSTANT_PARTS
    }
    profile = score - drops.sum(axis=0) - sum(constant.values())
    return Contributions(drops, constant, np.asarray(profile), score)


def _scores_and_drops(
    scorer: Scorer, history: History, items: IntArray
) -> tuple[FloatArray, FloatArray]:
    batch = [history, *(history.without(event) for event in range(len(history.items)))]
    scores = scorer.score(batch)[:, items].astype(np.float64)  # (n + 1, m)
    return scores[0], scores[0] - scores[1:]
