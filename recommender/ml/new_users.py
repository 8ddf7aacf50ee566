"""Judge the lists that newcomers get: after exactly their first 1, 3 and 5 positive events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recommender.ml.evaluation import Cases, ScoresFor, Setting, evaluate, history_of_one
from recommender.ml.interactions import BoolArray, FloatArray, IntArray, Interactions
from recommender.ml.scoring import History
from recommender.ml.visits import draw

FIRST_EVENTS = (1, 3, 5)
METRICS = ("ndcg@10", "hit_rate@10")


@dataclass(frozen=True)
class NewUserCases:
    """Newcomers, one list each, with the events that it may rest on."""

    cases: Cases
    beginnings: tuple[IntArray, ...]  # n arrays of event positions: the first positive events

    def __len__(self) -> int:
        """Count the users."""
        return len(self.cases)


def make_new_user_cases(
    data: Interactions, since: int, taken: BoolArray, hiding: BoolArray, n: int
) -> NewUserCases:
    """Collect who reached their n-th positive event without knowing the future of the window.

    A newcomer had at most n positive events when the window began, so a model trained before it
    knows next to nothing of them. What they took after their n-th event is to be found.

    Args:
        data: all events, before and in the window.
        since: second at which the window starts.
        taken: marks events that count as taken, shape (N,); earlier ones do not matter.
        hiding: marks events after which serving no longer shows the item, shape (N,).
        n: how many positive events a list rests on.
    Raises: ValueError when n < 1.
    """
    if n < 1:
        raise ValueError(f"n is {n}; a newcomer is judged after the first event or later")
    positive = data.weight > 0
    past = np.bincount(data.user[positive & (data.time < since)], minlength=data.n_users + 1)
    is_later = taken & (data.time >= since)
    order, starts = data.by_user()
    users: list[int] = []
    rows: list[tuple[IntArray, IntArray, IntArray]] = []  # beginning, wanted, seen
    for user in np.unique(data.user[is_later]):
        own = order[starts[user] : starts[user + 1]]
        first = own[positive[own]][:n]
        if past[user] > n or len(first) < n:
            continue
        before, after = own[own <= first[-1]], own[own > first[-1]]
        seen = np.unique(data.item[before[hiding[before]]])
        fresh = np.setdiff1d(data.item[after[is_later[after]]], seen)
        if len(fresh):
            users.append(int(user))
            rows.append((first, fresh, seen))
    beginnings = tuple(row[0] for row in rows)
    moments = [int(data.time[first[-1]]) for first in beginnings]
    cases = Cases(
        users=np.array(users, dtype=np.int64),
        relevant=tuple(row[1] for row in rows),
        seen=tuple(row[2] for row in rows),
        history_length=np.full(len(users), n, dtype=np.int64),
        times=np.array(moments, dtype=np.int64),
    )
    return NewUserCases(cases, beginnings)


def limited(cases: NewUserCases, most: int, seed: int) -> NewUserCases:
    """Keep at most so many newcomers, drawn by a seed."""
    places = draw(len(cases), most, seed)
    return NewUserCases(
        cases.cases.take(places), tuple(cases.beginnings[place] for place in places)
    )


def beginnings_of(
    data: Interactions,
    cases: NewUserCases,
    item_numbers: IntArray | None = None,
    *,
    features: FloatArray | None = None,
) -> list[History]:
    """Build what a scorer reads about each newcomer: their first events, nothing else.

    Args:
        data: the events that the cases were made from.
        item_numbers: (M+1,) the artifact's number of each item, 0 = unknown and dropped.
        features: (U+1, F) in the artifact's columns; None for those of `data`.
    """
    rows = data.user_features if features is None else features
    return [
        history_of_one(data.take(own), item_numbers, rows[user])
        for user, own in zip(cases.cases.users, cases.beginnings, strict=True)
    ]


def judge_new_users(
    scores_for: ScoresFor, cases: NewUserCases, setting: Setting
) -> Mapping[str, FloatArray]:
    """Return NDCG@10 and the hit rate of each newcomer's list, (n,); cost is one scoring each."""
    per_user = evaluate(scores_for, cases.cases, setting).per_user
    return {metric: per_user[metric] for metric in METRICS}
