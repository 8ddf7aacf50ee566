"""Predict ratings and chances for items about to be shown; silent where too little is known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.serve.answers import Chance
from recommender.serve.blend import Scores


@dataclass(frozen=True)
class Guess:
    """A predicted rating with its standard deviation, in rating points, and chances by kind."""

    mean: float | None
    deviation: float | None
    chances: tuple[Chance, ...] = ()


def guesses(scores: Scores | None, ids: NDArray[np.int64]) -> dict[int, Guess]:
    """Return the guess for each item that the version knows.

    No rating below three ratings; no chances where the version saw too few clicks and purchases.
    """
    if scores is None or not len(ids):
        return {}
    numbers = np.asarray(scores.served.model.item_numbers(ids), np.int64)
    ids, numbers = ids[numbers > 0], numbers[numbers > 0]
    z, model = scores.model_z[numbers], scores.served.model
    rated = _ratings(scores, numbers) or ([None] * len(ids), [None] * len(ids))
    said = [(each, each.predict(z).tolist()) for each in model.chances]
    return {
        pk: Guess(
            mean=rated[0][at],
            deviation=rated[1][at],
            chances=tuple(Chance(each.kind, p[at], each.window_days) for each, p in said),
        )
        for at, pk in enumerate(ids.tolist())
    }


def _ratings(
    scores: Scores, numbers: NDArray[np.int64]
) -> tuple[list[float | None], list[float | None]] | None:
    rating, values = scores.served.model.rating, scores.known.history.values
    predicted = rating.predict(values, numbers, scores.model_z[numbers]) if rating else None
    return None if predicted is None else (predicted[0].tolist(), predicted[1].tolist())
