"""Weigh events by their age."""

import numpy as np

from recommender.ml.interactions import FloatArray, Interactions

DAY_S = 86_400.0


def decayed_weights(data: Interactions, scale: float = 1.0) -> FloatArray:
    """Return (N,) weights, halved for every half-life of the event's type before the newest event.

    `scale` stretches all half-lives; an infinite half-life means no decay.
    """
    if not len(data):
        return np.zeros(0)
    age_s = (data.time.max() - data.time).astype(np.float64)
    return np.asarray(data.weight * np.exp2(-age_s / (data.half_life_s[data.kind] * scale)))


def decayed_popularity(data: Interactions, scale: float = 1.0) -> FloatArray:
    """Return (M+1,) float32: over distinct users, each one's strongest decayed event per item.

    Distinct users, so that one person's hundred clicks count once.
    """
    weights = decayed_weights(data, scale)
    pair = data.user.astype(np.int64) * (data.n_items + 1) + data.item
    pairs, which = np.unique(pair, return_inverse=True)
    strongest = np.zeros(len(pairs))
    np.maximum.at(strongest, which, weights)
    items = pairs % (data.n_items + 1)
    summed = np.bincount(items, weights=strongest, minlength=data.n_items + 1)
    return np.asarray(summed, np.float32)
