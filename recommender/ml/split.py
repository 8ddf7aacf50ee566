"""Cut events into a past to learn from and a later part to be judged on."""

from __future__ import annotations

import numpy as np

from recommender.ml.interactions import BoolArray, IntArray, Interactions


def time_quantile(data: Interactions, test_share: float) -> int:
    """Return the second from which about `test_share` of the positive events lie.

    Raises as `quantile`.
    """
    return quantile(data.time[data.weight > 0], test_share)


def quantile(times: IntArray, test_share: float) -> int:
    """Return the second from which about `test_share` of the given events lie.

    Events that share a second stay together, so the later part may be larger than asked; it is
    never empty, and the earlier part is empty when all events share one second.

    Args:
        times: seconds of the events, in any order.
    Raises: ValueError unless 0 < test_share < 1, or without any event.

    >>> quantile(np.array([10, 20, 30, 40]), 0.25)
    40
    """
    if not 0 < test_share < 1:
        raise ValueError(f"test_share is {test_share}; expected a share between 0 and 1")
    if not len(times):
        raise ValueError("there are no positive events; nothing can be split")
    place = min(len(times) - 1, int(np.floor(len(times) * (1 - test_share))))
    return int(np.partition(times, place)[place])


def by_time(data: Interactions, split_at: int) -> tuple[Interactions, Interactions]:
    """Return events strictly before `split_at`, and the rest; the way the product is judged."""
    return data.before(split_at), data.since(split_at)


def leave_last_out(data: Interactions, n: int = 1) -> tuple[Interactions, Interactions]:
    """Hold out each user's last n positive events, the published benchmarks' way.

    Users with n or fewer positives stay whole in training. Times of *other* users in training may
    lie after a test event, which flatters every model: use it to compare with papers only.
    Raises: ValueError when n < 1.
    """
    if n < 1:
        raise ValueError(f"n is {n}; hold out at least the last event")
    held = last_positives(data, n)
    return data.take(~held), data.take(held)


def last_positives(data: Interactions, n: int) -> BoolArray:
    """Mark each user's last n positive events; nothing for users with n or fewer."""
    held = np.zeros(len(data), dtype=np.bool_)
    positives = np.flatnonzero(data.weight > 0)
    user = data.user[positives]
    order = np.argsort(user, kind="stable")  # oldest first inside a user
    counts = np.bincount(user, minlength=data.n_users + 1)
    ends = np.cumsum(counts)
    from_end = ends[user[order]] - np.arange(len(order))  # 1 = the user's last
    chosen = (from_end <= n) & (counts[user[order]] > n)
    held[positives[order[chosen]]] = True
    return held
