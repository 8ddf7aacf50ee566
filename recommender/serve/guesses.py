"""Predict ratings for items about to be shown; silent while there is too little to go by."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.serve.blend import Scores


@dataclass(frozen=True)
class Guess:
    """A predicted rating and its standard deviation, both in rating points."""

    mean: float
    deviation: float


def guesses(scores: Scores | None, ids: NDArray[np.int64]) -> dict[int, Guess]:
    """Return the guess for each item that the version knows; empty below three ratings."""
    rating = scores.served.model.rating if scores else None
    if scores is None or rating is None or not len(ids):
        return {}
    numbers = np.asarray(scores.served.model.item_numbers(ids), np.int64)
    ids, numbers = ids[numbers > 0], numbers[numbers > 0]
    predicted = rating.predict(scores.known.history.values, numbers, scores.model_z[numbers])
    if predicted is None:
        return {}
    pairs = zip(ids.tolist(), *(part.tolist() for part in predicted), strict=True)
    return {pk: Guess(mean, deviation) for pk, mean, deviation in pairs}
