"""Read, in one statement, all that a request needs: the person's row, the live version, the clock
of the item table. Write the computed list back."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from recommender.collect.state import decode_ids
from recommender.serve.answers import ListRequest
from recommender.serve.registry import VersionKey

_VERSION = (
    "c.items_seq, c.exploration_target, c.exploration_tau, "
    "v.id, v.number, v.manifest_sha256, v.broken_reason"
)
_N_VERSION = 7
_FROM = """
FROM recommender_catalog c
LEFT JOIN recommender_modelversion v ON v.catalog_id = c.id AND v.state = 'live'"""
_PLAIN = f"SELECT {_VERSION} {_FROM} WHERE c.id = %s"
# The off switch is part of the join: with it off, the person's row is not read at all.
_PERSONAL = f"""
SELECT {_VERSION}, u.id, u.is_personalized, u.attributes,
       s.event_seq, s.history, s.seen, s.hidden, s.rating_count, s.rating_sum,
       s.positive_count,
       s.list_seq, s.list_version, s.list_items, s.list_scores
{_FROM}
LEFT JOIN recommender_user u ON u.catalog_id = c.id AND {{who}} = %s
LEFT JOIN recommender_userstate s ON s.user_id = u.id AND u.is_personalized
WHERE c.id = %s"""
_BY_ID, _BY_REF = _PERSONAL.format(who="u.id"), _PERSONAL.format(who="u.external_id")
_WRITE = """
UPDATE recommender_userstate
SET list_seq = %s, list_version = %s, list_items = %s, list_scores = %s
WHERE user_id = %s AND event_seq >= %s
  AND (list_seq IS NULL OR list_seq < %s OR list_version IS NULL OR list_version <> %s)"""


@dataclass(frozen=True)
class Person:
    """What is known of the user, as read for this request."""

    user_id: int
    attributes: dict[str, Any]
    has_row: bool
    event_seq: int
    history: bytes
    seen: NDArray[np.int32]  # item keys, rising
    hidden: NDArray[np.int32]
    rating_count: int
    rating_sum: float
    positive_count: int
    list_seq: int | None
    list_version: int | None
    list_items: bytes
    list_scores: bytes


@dataclass(frozen=True)
class Reading:
    """One consistent reading of the database; no request reads the live version twice."""

    items_seq: int
    version: VersionKey | None
    is_broken: bool
    person: Person | None  # None: nobody, unknown, or personalization off
    is_off: bool = False  # the person or the request asked for a list without a profile
    explores: bool = False  # lists are drawn; False = always the best one
    tau: float = 0.0  # temperature of the draw


def read(request: ListRequest) -> Reading | None:
    """Read the state for a request; None when the catalog is gone. One statement.

    A request that is not personalized touches no table about people.
    """
    is_off = not request.is_personalized or bool(request.user and not request.user.is_personalized)
    if is_off or (request.user is None and request.user_ref is None):
        row = _fetch(_PLAIN, [request.catalog.pk])
        return None if row is None else _reading(row[:_N_VERSION], None, is_off=is_off)
    if request.user is not None:
        row = _fetch(_BY_ID, [request.user.pk, request.catalog.pk])
    else:
        row = _fetch(_BY_REF, [request.user_ref, request.catalog.pk])
    if row is None:
        return None
    user = row[_N_VERSION:]
    is_off = user[0] is not None and not user[1]
    person = None if user[0] is None or is_off else _person(user)
    return _reading(row[:_N_VERSION], person, is_off=is_off)


@dataclass(frozen=True)
class NewList:
    """A list to store in the person's row: what it was computed from, and the list."""

    user_id: int
    event_seq: int
    version_id: int
    items: NDArray[np.int32]  # keys, final order
    scores: NDArray[np.float32]


def write_list(new: NewList) -> None:
    """Store a list unless the row already holds a newer one. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            _WRITE,
            [
                new.event_seq,
                new.version_id,
                new.items.astype("<i4").tobytes(),
                new.scores.astype("<f4").tobytes(),
                new.user_id,
                new.event_seq,
                new.event_seq,
                new.version_id,
            ],
        )


def _fetch(sql: str, parameters: list[Any]) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row


def _reading(columns: tuple[Any, ...], person: Person | None, *, is_off: bool) -> Reading:
    seq, target, tau, pk, number, sha256, reason = columns
    key = None if pk is None else VersionKey(pk, number, sha256)
    return Reading(
        seq, key, bool(reason), person, is_off=is_off, explores=target > 0 and tau > 0, tau=tau
    )


def _person(columns: tuple[Any, ...]) -> Person:
    user_id, _on, attributes, seq, history, seen, hidden, *numbers = columns
    ratings, rating_sum, positives, *stored = numbers
    return Person(
        user_id=user_id,
        attributes=json.loads(attributes) if isinstance(attributes, str) else dict(attributes),
        has_row=seq is not None,
        event_seq=seq or 0,
        history=bytes(history or b"[]"),
        seen=_keys(seen),
        hidden=_keys(hidden),
        rating_count=ratings or 0,
        rating_sum=rating_sum or 0.0,
        positive_count=positives or 0,
        list_seq=stored[0],
        list_version=stored[1],
        list_items=bytes(stored[2] or b""),
        list_scores=bytes(stored[3] or b""),
    )


def _keys(blob: Any) -> NDArray[np.int32]:
    return decode_ids(blob or b"").astype(np.int32)
