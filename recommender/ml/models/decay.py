"""Weigh events by their age."""

import numpy as np

from recommender.ml.interactions import FloatArray, Interactions


def decayed_weights(data: Interactions, scale: float = 1.0) -> FloatArray:
    """Return (N,) weights, halved for every half-life of the event's type before the newest event.

    `scale` stretches all half-lives; an infinite half-life means no decay.
    """
    if not len(data):
        return np.zeros(0)
    age_s = (data.time.max() - data.time).astype(np.float64)
    return np.asarray(data.weight * np.exp2(-age_s / (data.half_life_s[data.kind] * scale)))
