"""Replay the visits of a later window: what a user took after each, given all they did before it.

The live site reads a user's newest events at each request, without retraining. So a fair test lets
a model read them too: at a few moments of the window the model sees everything that the user did
earlier, and is judged on what they took from there on. Nothing later is ever read.
"""

from __future__ import annotations

import numpy as np

from recommender.ml.evaluation import Cases, history_of_one
from recommender.ml.interactions import BoolArray, FloatArray, IntArray, Interactions
from recommender.ml.scoring import History

VISITS_PER_USER = 8


def make_visits(
    data: Interactions,
    since: int,
    taken: BoolArray,
    hiding: BoolArray,
    per_user: int = VISITS_PER_USER,
) -> Cases:
    """Choose up to `per_user` moments of each user's window and collect what they took after each.

    Args:
        data: all events, before and in the window.
        since: second at which the window starts.
        taken: marks events that count as taken, shape (N,); earlier ones do not matter.
        hiding: marks events after which serving no longer shows the item, shape (N,).
        per_user: the most visits of one user; they are spread evenly over their moments.
    """
    order, starts = data.by_user()
    past = np.bincount(
        data.user[(data.weight > 0) & (data.time < since)], minlength=data.n_users + 1
    )
    users: list[int] = []
    times: list[int] = []
    wanted: list[IntArray] = []
    known: list[IntArray] = []
    for user in np.unique(data.user[taken & (data.time >= since)]):
        own = order[starts[user] : starts[user + 1]]
        time, item = data.time[own], data.item[own]
        for moment in spread(np.unique(time[time >= since]), per_user):
            later = time >= moment
            seen = np.unique(item[~later & hiding[own]])
            fresh = np.setdiff1d(np.unique(item[later & taken[own]]), seen, assume_unique=True)
            if len(fresh):
                users.append(int(user))
                times.append(int(moment))
                wanted.append(fresh)
                known.append(seen)
    numbers = np.array(users, dtype=np.int64)
    return Cases(
        numbers, tuple(wanted), tuple(known), past[numbers], np.array(times, dtype=np.int64)
    )


def spread(moments: IntArray, most: int) -> IntArray:
    """Keep at most `most` of the moments, evenly spaced, the first among them.

    >>> spread(np.array([1, 2, 3, 4, 5]), 3).tolist(), spread(np.array([7]), 3).tolist()
    ([1, 3, 5], [7])
    """
    places = np.linspace(0, len(moments) - 1, min(most, len(moments)))
    return moments[np.unique(places.astype(np.int64))]


def histories_at(
    data: Interactions,
    cases: Cases,
    item_numbers: IntArray | None = None,
    *,
    features: FloatArray | None = None,
    length: int | None = None,
) -> list[History]:
    """Build what a scorer reads at each visit: the user's positives before its moment.

    Args:
        data: all events; those at or after a visit's moment are not read for it.
        cases: visits from `make_visits`.
        item_numbers: (M+1,) the artifact's number of each item, 0 = unknown and dropped.
        features: (U+1, F) in the artifact's columns; None for those of `data`.
        length: how many of the newest items serving remembers; None for all.
    """
    positives = data.positives()
    order, starts = positives.by_user()
    rows = data.user_features if features is None else features
    histories = []
    for user, moment in zip(cases.users, cases.times, strict=True):
        own = order[starts[user] : starts[user + 1]]
        own = own[positives.time[own] < moment]
        history = history_of_one(positives.take(own), item_numbers, rows[user])
        histories.append(history if length is None else history.last(length))
    return histories


def sample(cases: Cases, most_users: int, seed: int) -> Cases:
    """Keep all visits of at most `most_users` users, drawn by a seed."""
    everybody = np.unique(cases.users)
    if len(everybody) <= most_users:
        return cases
    chosen = everybody[draw(len(everybody), most_users, seed)]
    return cases.take(np.flatnonzero(np.isin(cases.users, chosen)))


def draw(n: int, most: int, seed: int) -> IntArray:
    """Return rising positions below n: all of them, or `most` drawn by a seed."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))
