"""Store a batch of events: each exactly once, each with its own result, states kept true.

The way of a batch, in one transaction: check without the database, look up in sets what the events
name, refuse or take over, lock the users' states, insert or ignore, then update the states from
what really went in. An event is acknowledged only after the commit.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db import OperationalError, connection, transaction

from recommender import clock
from recommender.catalog.models import Catalog
from recommender.collect import sql
from recommender.collect.events import EventResult, NewEvent
from recommender.collect.models import Event, User
from recommender.collect.resolve import Draft, Resolver
from recommender.collect.state import (
    Fact,
    State,
    StateRules,
    lock_states,
    standing_facts,
    trim,
    write_states,
)

COLUMNS = (
    "catalog_id",
    "event_id",
    "body_hash",
    "type",
    "user_id",
    "item_id",
    "value",
    "reason",
    "target_id",
    "slate_id",
    "position",
    "session_id",
    "occurred_at",
    "received_at",
    "clock_skew_s",
    "attribution",
    "source",
    "trust",
)
ATTEMPTS = 3
# Two transactions waited for each other, or could not be put in an order: nothing was stored.
_TRY_AGAIN = frozenset({"40P01", "40001"})


def record_events(
    *,
    catalog: Catalog,
    events: Sequence[NewEvent],
    source: str,
    default_user: User | None = None,
) -> list[EventResult]:
    """Store what people did; return one result per event, in order.

    An `event_id` that is known already is a duplicate and changes nothing; with another body it is
    refused as a conflict. One bad event never sinks the batch: it is kept in `RejectedEvent`.

    Args:
        source: one of `Event.Source`; imports and the simulator keep their own times.
        default_user: who acted when neither the event nor its token says so.
    """
    nested = connection.in_atomic_block
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic():
                return _Recording(catalog, source, default_user).run(events)
        except OperationalError as error:
            state = getattr(error.__cause__, "sqlstate", None)
            if nested or attempt == ATTEMPTS or state not in _TRY_AGAIN:
                raise
    raise AssertionError("unreachable")


class _Recording:
    """One transaction's work on one batch."""

    def __init__(self, catalog: Catalog, source: str, default_user: User | None) -> None:
        self.catalog = catalog
        self.source = Event.Source(source).value
        self.received: datetime = clock.now()
        self.rules = StateRules(catalog)
        self.resolver = Resolver(catalog, self.rules.rules, self.received, default_user)
        self.is_trusted = self.source in {Event.Source.IMPORT.value, Event.Source.SIMULATED.value}

    def run(self, events: Sequence[NewEvent]) -> list[EventResult]:
        resolver = self.resolver
        resolver.check(events, is_trusted=self.is_trusted)
        resolver.drop_known()
        resolver.resolve_tokens()
        resolver.resolve_items()
        resolver.resolve_users(is_simulated=self.source == Event.Source.SIMULATED.value)
        resolver.resolve_undos()
        resolver.drop_repeated()
        drafts = resolver.open_drafts()
        acting = {d.user_id for d in drafts if d.type not in self.rules.exposures}
        states = lock_states(self.catalog, sorted(acting), self.received)
        stored = self._insert(drafts)
        self._update_states(states, stored)
        resolver.keep_rejections(events)
        return resolver.results()

    def _insert(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Insert the drafts; those that another process was faster with become duplicates."""
        # One order for everybody: crossed inserts of the same ids would wait for each other.
        ordered = sorted(drafts, key=lambda draft: draft.event_id.bytes)
        keys = self._insert_rows([draft for draft in ordered if not draft.is_undo])
        undos = [draft for draft in ordered if draft.is_undo]
        self.resolver.point_undos(undos, keys)
        keys |= self._insert_rows(undos)
        stored = [draft for draft in drafts if draft.event_id in keys]
        self.resolver.settle(stored, [draft for draft in drafts if draft.event_id not in keys])
        return stored

    def _insert_rows(self, drafts: Sequence[Draft]) -> dict[UUID, int]:
        if not drafts:
            return {}
        time, uuid = sql.times(), sql.uuids()
        received = time(self.received)
        rows = [
            (
                self.catalog.pk,
                uuid(draft.event_id),
                draft.body_hash,
                draft.type,
                draft.user_id,
                draft.item_id,
                draft.value,
                draft.event.reason,
                draft.target_id,
                uuid(draft.slate_id),
                draft.position,
                draft.event.session_id,
                time(draft.occurred_at),
                received,
                draft.skew_s,
                draft.attribution,
                self.source,
                1.0,
            )
            for draft in drafts
        ]
        inserted = sql.insert_returning(Event, COLUMNS, rows, ("id", "event_id"))
        return {sql.read_uuid(event_id): key for key, event_id in inserted}

    def _update_states(self, states: dict[int, State], stored: Iterable[Draft]) -> None:
        """Bring the states of those who acted up to date; looking at things changes nothing."""
        changed: dict[int, State] = {}
        folded: set[int] = set()
        for draft in stored:
            if draft.type in self.rules.exposures:
                continue
            state = changed.setdefault(draft.user_id, states[draft.user_id])
            state.event_seq += 1
            fact = Fact(
                draft.occurred_at.timestamp(),
                draft.event_id,
                draft.type,
                draft.item_id,
                draft.value,
            )
            if draft.user_id in folded:
                continue
            if draft.is_undo or self.rules.needs_fold(state, fact):
                folded.add(draft.user_id)
            else:
                self.rules.add(state, fact)
        self._fold(changed, folded)
        for state in changed.values():
            trim(state)
            state.updated_at = max(state.updated_at or self.received, self.received)
        write_states(sorted(changed.items()))

    def _fold(self, changed: dict[int, State], user_ids: set[int]) -> None:
        if not user_ids:
            return
        facts = dict(standing_facts(sorted(user_ids), self.rules))
        for user_id in user_ids:
            state = self.rules.fold(facts.get(user_id, ()))
            state.event_seq = changed[user_id].event_seq
            state.updated_at = changed[user_id].updated_at
            changed[user_id] = state
