"""Hold a few items out of training, so that a model can be judged on items it never met.

The sample is the same in every run: an item is held out or not by a hash of its number alone.
A champion and its challengers are then judged on the same items, and a warm start never begins
from weights that learned from an item it holds out.
"""

from __future__ import annotations

import numpy as np

from recommender.ml.interactions import FloatArray, IntArray, Interactions

HOLD_OUT_SHARE = 0.05
HOLD_OUT_SEED = 20_241  # one for all runs; a run's own seed would hold out other items each time

# Arrays of an artifact: the held-out items as they were before anything was learned of them.
COLD_ITEMS = "cold_items"  # (n,) item numbers, rising
COLD_VECTORS = "cold_vectors"  # (n, D)
COLD_BIAS = "cold_bias"  # (n,)
COLD_ARRAYS = (COLD_ITEMS, COLD_VECTORS, COLD_BIAS)


def hold_out(
    data: Interactions, share: float = HOLD_OUT_SHARE, seed: int = HOLD_OUT_SEED
) -> IntArray:
    """Return the numbers, rising, of about `share` of the items with a positive event.

    Whether an item is drawn depends on its number, the share and the seed, never on the other
    items: as a catalog grows, what was held out stays held out.

    Raises: ValueError unless 0 ≤ share < 1.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share is {share}; expected 0 (hold out nothing) up to below 1")
    touched = np.unique(data.item[data.weight > 0]).astype(np.int64)
    return touched[_uniform(touched, seed) < share]


def without_items(data: Interactions, items: IntArray) -> Interactions:
    """Drop every event of these items; users and items keep their numbers."""
    return data.take(~np.isin(data.item, items))


def _uniform(numbers: IntArray, seed: int) -> FloatArray:
    """Return a number in [0, 1) for each item, spread evenly (SplitMix64, Steele et al. 2014)."""
    mixed = np.asarray(numbers, np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed += np.uint64(seed * 0xD1B54A32D192ED03 % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return np.asarray((mixed >> np.uint64(11)).astype(np.float64) / 2.0**53)
