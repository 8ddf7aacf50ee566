"""The serving row: what one user's standing events come to, kept true as events arrive.

`fold` is the definition: every state equals the fold of the user's standing events. Ingest takes a
shorter way (`add`) for events that cannot change what earlier ones came to, and folds otherwise.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import orjson
from django.db import transaction
from django.db.models import Count, Max
from numpy.typing import NDArray

from recommender import clock
from recommender.catalog.models import Catalog
from recommender.catalog.rules import EventRule, rules_of, strength
from recommender.collect import sql
from recommender.collect.models import Event, User, UserState

HISTORY_LENGTH = 50
USERS_PER_BATCH = 500
Progress = Callable[[int, int], None]
# What of a `UserState` this room writes, in the order in which states are packed.
_COLUMNS = (
    *("event_seq", "history", "seen", "hidden", "rating_count", "rating_sum", "positive_count"),
    "profile_updated_at",
)


class HistoryEvent(NamedTuple):
    """One positive event as the scorer reads it; the order of the fields is the blob's."""

    item_id: int
    type: str
    value: float | None
    time_s: float  # seconds since 1970, with fractions


class Fact(NamedTuple):
    """One event as the fold reads it."""

    time_s: float
    event_id: UUID
    type: str
    item_id: int | None
    value: float | None


@dataclass
class State:
    """A `UserState` unpacked."""

    event_seq: int = 0
    # As in the blob: unpacking a batch's states must not build 50 tuples for each of them.
    entries: list[Sequence[Any]] = field(default_factory=list)
    is_sorted: bool = True
    seen: set[int] = field(default_factory=set)
    hidden: set[int] = field(default_factory=set)
    rating_count: int = 0
    rating_sum: float = 0.0
    positive_count: int = 0
    updated_at: datetime | None = None

    @property
    def history(self) -> list[HistoryEvent]:
        """List the positive events, oldest first once trimmed."""
        return [HistoryEvent(*entry) for entry in self.entries]


def decode_history(blob: bytes | memoryview) -> list[HistoryEvent]:
    """Read a history blob, oldest first."""
    return [HistoryEvent(*entry) for entry in orjson.loads(bytes(blob) or b"[]")]


def decode_ids(blob: bytes | memoryview) -> NDArray[np.int32]:
    """Read a blob of item keys: sorted for seen and hidden, best first for a list."""
    return np.frombuffer(bytes(blob), dtype="<i4")


def encode_ids(ids: Iterable[int]) -> bytes:
    """Write item keys in the given order; pass them sorted for seen and hidden."""
    return np.fromiter(ids, dtype="<i4").tobytes()


class StateRules:
    """One catalog's event rules, as the fold asks them."""

    def __init__(self, catalog: Catalog) -> None:
        """Read the rules once."""
        self.catalog = catalog
        self.rules: dict[str, EventRule] = rules_of(catalog)
        self.exposures = {name for name, rule in self.rules.items() if rule.role == "exposure"}
        self._strengths: dict[tuple[str, float | None], float] = {}

    def strength(self, fact: Fact) -> float:
        """Say how much a fact speaks for its item."""
        rated = fact.type in self.rules and self.rules[fact.type].role == "rating"
        key = (fact.type, fact.value if rated else None)
        if key not in self._strengths:
            if len(self._strengths) > 10_000:
                self._strengths.clear()
            self._strengths[key] = strength(self.catalog, fact.type, fact.value)
        return self._strengths[key]

    def needs_fold(self, state: State, fact: Fact) -> bool:
        """Tell whether a fact may change what earlier ones came to: an item rated again."""
        rule = self.rules.get(fact.type)
        return rule is not None and rule.role == "rating" and fact.item_id in state.seen

    def add(self, state: State, fact: Fact) -> None:
        """Add one standing fact that no other one supersedes."""
        rule = self.rules.get(fact.type)
        if rule is None or fact.item_id is None:
            return
        if rule.marks_seen or rule.role == "rating":
            state.seen.add(fact.item_id)
        if rule.role == "negative":
            state.hidden.add(fact.item_id)
        if rule.role == "rating" and fact.value is not None:
            state.rating_count += 1
            state.rating_sum += fact.value
        if self.strength(fact) > 0:
            state.positive_count += 1
            entry = (fact.item_id, fact.type, fact.value, fact.time_s)
            if state.entries and _order(entry) < _order(state.entries[-1]):
                state.is_sorted = False
            state.entries.append(entry)

    def fold(self, facts: Iterable[Fact]) -> State:
        """Work out a state from all standing facts of one user, in any order.

        The latest rating of an item counts; equal times are decided by event id, so that the
        order of arrival never matters.
        """
        state = State()
        latest: dict[int | None, Fact] = {}
        for fact in facts:
            rule = self.rules.get(fact.type)
            if rule is None or rule.role != "rating":
                self.add(state, fact)
            elif fact.item_id not in latest or fact[:2] > latest[fact.item_id][:2]:
                latest[fact.item_id] = fact
        for fact in latest.values():
            self.add(state, fact)
        trim(state)
        return state


def trim(state: State) -> None:
    """Put the history in order of time and keep its newest entries."""
    if not state.is_sorted:
        state.entries.sort(key=_order)
        state.is_sorted = True
    del state.entries[:-HISTORY_LENGTH]


def _order(entry: Sequence[Any]) -> tuple[float, int, str, float]:
    item_id, type, value, time_s = entry
    return time_s, item_id, type, -1.0 if value is None else value


def rebuild_states(
    *, catalog: Catalog, users: Sequence[int] | None = None, progress: Progress | None = None
) -> int:
    """Work every state out anew from the events; stored lists are marked as out of date.

    Users are done in batches, a transaction each, so that ingest never waits long.

    Args:
        users: primary keys; None means every user of the catalog that has an event or a state.
    Returns: how many states were written.
    """
    ids = sorted(users) if users is not None else _users_of(catalog)
    for start in range(0, len(ids), USERS_PER_BATCH):
        _rebuild_batch(catalog, ids[start : start + USERS_PER_BATCH])
        if progress:
            progress(min(start + USERS_PER_BATCH, len(ids)), len(ids))
    return len(ids)


def _users_of(catalog: Catalog) -> list[int]:
    acted = Event.objects.filter(catalog=catalog).order_by().values_list("user_id").distinct()
    stored = UserState.objects.filter(catalog=catalog).values_list("user_id")
    return sorted({key for (key,) in acted} | {key for (key,) in stored})


@transaction.atomic
def _rebuild_batch(catalog: Catalog, user_ids: Sequence[int]) -> None:
    lock_states(catalog, user_ids, clock.now())
    rules = StateRules(catalog)
    rows = []
    totals = _totals(user_ids, rules)
    for user_id, facts in standing_facts(user_ids, rules):
        state = rules.fold(facts)
        state.event_seq, state.updated_at = totals.pop(user_id, (0, None))
        rows.append((user_id, state))
    # Users whose events were all taken back, or who only looked.
    for user_id in set(user_ids) - {user_id for user_id, _ in rows}:
        seq, updated_at = totals.get(user_id, (0, None))
        rows.append((user_id, State(event_seq=seq, updated_at=updated_at)))
    write_states(rows)
    UserState.objects.filter(user_id__in=user_ids).update(list_seq=None)


def _totals(user_ids: Sequence[int], rules: StateRules) -> dict[int, tuple[int, datetime | None]]:
    rows = (
        Event.objects.filter(user_id__in=user_ids)
        .exclude(type__in=rules.exposures)
        .order_by()
        .values_list("user_id")
        .annotate(Count("pk"), Max("received_at"))
    )
    return {user_id: (count, latest) for user_id, count, latest in rows}


def standing_facts(user_ids: Sequence[int], rules: StateRules) -> Iterator[tuple[int, list[Fact]]]:
    """Read the standing facts of each user that has any. One query."""
    # Naming the catalog too would make SQLite walk all of its events instead of these users'.
    events = (
        Event.objects.standing()
        .filter(user_id__in=user_ids)
        .exclude(type__in=rules.exposures)
        .order_by("user_id")
        .values_list("user_id", "occurred_at", "event_id", "type", "item_id", "value")
    )
    current: int | None = None
    facts: list[Fact] = []
    for user_id, occurred_at, event_id, type, item_id, value in events.iterator(chunk_size=5000):
        if user_id != current:
            if current is not None:
                yield current, facts
            current, facts = user_id, []
        facts.append(Fact(occurred_at.timestamp(), event_id, type, item_id, value))
    if current is not None:
        yield current, facts


def lock_states(catalog: Catalog, user_ids: Sequence[int], moment: datetime) -> dict[int, State]:
    """Return the users' states, made where missing and locked until the transaction ends.

    Always in order of the key, so that two transactions never wait for each other.
    """
    states = _read_locked(user_ids)
    missing = sorted(set(user_ids) - set(states))
    if missing:
        columns = ("user_id", "catalog_id", "event_seq", "history", "seen", "hidden")
        numbers = ("rating_count", "rating_sum", "positive_count", "list_items", "list_scores")
        empty = (catalog.pk, 0, b"[]", b"", b"", 0, 0.0, 0, b"", b"", sql.times()(moment))
        sql.insert_ignore(
            UserState,
            (*columns, *numbers, "profile_updated_at"),
            [(user_id, *empty) for user_id in missing],
        )
        states |= _read_locked(missing)
    return states


def _read_locked(user_ids: Sequence[int]) -> dict[int, State]:
    columns = ("user_id", *_COLUMNS)
    rows = sql.select_locked(UserState, columns, "user_id", sorted(set(user_ids)))
    return {user_id: _unpack(*values) for user_id, *values in rows}


def _unpack(*values: Any) -> State:
    event_seq, history, seen, hidden, rating_count, rating_sum, positive_count, updated_at = values
    return State(
        event_seq=event_seq,
        entries=orjson.loads(bytes(history) or b"[]"),
        seen=set(decode_ids(seen).tolist()),
        hidden=set(decode_ids(hidden).tolist()),
        rating_count=rating_count,
        rating_sum=rating_sum,
        positive_count=positive_count,
        updated_at=sql.read_time(updated_at),
    )


def write_states(states: Iterable[tuple[int, State]]) -> None:
    """Store states of existing rows; the stored list is left alone."""
    time = sql.times()
    rows: list[tuple[Any, ...]] = [
        (
            state.event_seq,
            orjson.dumps(state.entries),
            encode_ids(sorted(state.seen)),
            encode_ids(sorted(state.hidden)),
            state.rating_count,
            state.rating_sum,
            state.positive_count,
            time(state.updated_at or clock.now()),
            user_id,
        )
        for user_id, state in states
    ]
    sql.update_many(UserState, "user_id", _COLUMNS, rows)


def state_of(user: User) -> UserState | None:
    """Read a user's state row. One query."""
    return UserState.objects.filter(user=user).first()
