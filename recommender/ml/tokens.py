"""Describe an event beside its item: its type, what it was worth, and how long the user paused."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from recommender.ml.interactions import IntArray

N_KINDS = 251  # slots that types of events are hashed to, 0 = unknown; the usual ones all differ
N_GAPS = 28  # buckets of pauses, 0 = unknown; the last from two years on


def rating_units(scale: tuple[float, float]) -> tuple[float, float]:
    """Return the middle of a rating scale and half its width: (rating − middle) / half is −1 to 1.

    Five stars are one scale, whether the least that can be given is one star, half a star or none:
    a rating of 3 is the middle of them all. So models learned before scales were told stay right.

    >>> rating_units((1.0, 5.0)), rating_units((0.5, 5.0)), rating_units((1.0, 10.0))
    ((3.0, 2.0), (3.0, 2.0), (5.5, 4.5))
    """
    low, high = scale
    if high == 5.0 and 0.0 <= low <= 1.0:
        low = 1.0
    return (low + high) / 2, (high - low) / 2


def kind_slot(name: str) -> int:
    """Return the slot of an event type: the same in every catalog, snapshot and artifact.

    Source: Weinberger et al. 2009, arXiv 0902.2206 (feature hashing). No table of names has to
    travel with a model; two types of one catalog share a slot once in hundreds of pairs.

    >>> kind_slot("rating"), kind_slot("purchase"), kind_slot("click")
    (101, 94, 229)
    """
    return 1 + crc32(name.encode()) % (N_KINDS - 1)


def kind_slots(names: Sequence[str]) -> IntArray:
    """Return the slots of many event types."""
    return np.array([kind_slot(name) for name in names], np.int64)


def gap_buckets(times: IntArray) -> IntArray:
    """Return, for rising times in seconds, a bucket of the pause before each event.

    Buckets double: 1 is the same second, 2 one second, 3 up to three. The first event has none.

    >>> gap_buckets(np.array([100, 100, 101, 104, 4000])).tolist()
    [0, 1, 2, 3, 12]
    """
    buckets = np.zeros(len(times), np.int64)
    pauses = np.maximum(np.diff(np.asarray(times, np.int64)), 0)
    buckets[1:] = np.minimum(1 + np.log2(1.0 + pauses).astype(np.int64), N_GAPS - 1)
    return buckets
