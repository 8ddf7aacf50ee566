"""Laws of ingest: order, repetition and batching of the same events change nothing."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender import clock
from recommender.collect.events import NewEvent
from recommender.collect.models import Event, UserState
from recommender.collect.services import record_events
from recommender.collect.state import decode_history, decode_ids, rebuild_states
from tests.factories import make_catalog, make_item

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TYPES = ("impression", "click", "rating", "rating", "like", "purchase", "dismiss")

happenings = st.builds(
    dict,
    type=st.sampled_from(TYPES),
    user=st.sampled_from(["u", "v"]),
    item=st.integers(0, 3),
    halves=st.integers(1, 10),
    minutes=st.integers(0, 40),
)
lives = st.lists(happenings, min_size=1, max_size=25)


def events_of(life: list[dict]) -> list[NewEvent]:
    return [
        NewEvent(
            type=did["type"],
            event_id=UUID(int=number + 1),
            user=did["user"],
            item=str(did["item"]),
            value=did["halves"] / 2 if did["type"] == "rating" else None,
            occurred_at=NOW - timedelta(minutes=did["minutes"]),
        )
        for number, did in enumerate(life)
    ]


def undos_of(life: list[dict], which: set[int]) -> list[NewEvent]:
    return [
        NewEvent(
            "undo",
            event_id=UUID(int=1000 + number),
            user=life[number]["user"],
            undoes=UUID(int=number + 1),
            occurred_at=NOW,
        )
        for number in sorted(which)
        if number < len(life) and life[number]["type"] != "impression"
    ]


def new_catalog():
    catalog = make_catalog()
    for number in range(4):
        make_item(catalog, external_id=str(number))
    return catalog


def send(catalog, events) -> list[str]:
    with clock.at(NOW):
        results = record_events(catalog=catalog, events=events, source="api")
    return [result.status for result in results]


def rows(catalog) -> set[tuple]:
    columns = ("event_id", "type", "user__external_id", "item__external_id", "value")
    more = ("occurred_at", "target__event_id", "body_hash", "attribution")
    return set(Event.objects.filter(catalog=catalog).values_list(*columns, *more))


def states(catalog) -> dict[str, tuple]:
    names = dict(catalog.items.values_list("pk", "external_id"))
    found = {}
    for state in UserState.objects.filter(catalog=catalog).select_related("user"):
        found[state.user.external_id] = (
            state.event_seq,
            [(names[e.item_id], e.type, e.value, e.time_s) for e in decode_history(state.history)],
            sorted(names[key] for key in decode_ids(state.seen)),
            sorted(names[key] for key in decode_ids(state.hidden)),
            (state.rating_count, state.rating_sum, state.positive_count),
        )
    return found


@settings(max_examples=40, deadline=None)
@given(lives, st.data())
def test_order_repetition_and_batching_change_nothing(life, data):
    events = events_of(life)
    undos = undos_of(life, data.draw(st.sets(st.integers(0, 24), max_size=4)))
    shuffled = data.draw(st.permutations(events + events[: len(events) // 2]))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(shuffled)), max_size=5)))
    with transaction.atomic():
        plain, mixed = new_catalog(), new_catalog()
        send(plain, [*events, *undos])
        for start, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True):
            send(mixed, shuffled[start:end])
        send(mixed, [*reversed(undos), *undos])
        assert rows(plain) == rows(mixed)
        assert states(plain) == states(mixed)
        transaction.set_rollback(True)


@settings(max_examples=40, deadline=None)
@given(lives, st.data())
def test_the_state_is_what_the_events_come_to(life, data):
    undos = undos_of(life, data.draw(st.sets(st.integers(0, 24), max_size=6)))
    with transaction.atomic():
        catalog = new_catalog()
        for event in [*data.draw(st.permutations(events_of(life))), *undos]:
            send(catalog, [event])
        kept = states(catalog)
        UserState.objects.filter(catalog=catalog).update(
            history=b"[]", seen=b"", hidden=b"", rating_count=9, event_seq=99
        )
        rebuild_states(catalog=catalog)
        # Who only looked has no state; a rebuild gives an empty one, which says the same.
        rebuilt = {name: state for name, state in states(catalog).items() if state[0]}
        assert rebuilt == kept
        transaction.set_rollback(True)


@settings(max_examples=40, deadline=None)
@given(lives, st.lists(st.integers(0, 9), max_size=8))
def test_each_event_of_a_batch_has_its_own_result_whatever_the_others_are(life, bad_places):
    events: list[NewEvent] = events_of(life)
    for place in bad_places:
        events.insert(min(place, len(events)), NewEvent("rating", user="u", item="0", value=99.0))
    with transaction.atomic():
        catalog = new_catalog()
        found = send(catalog, events)
        assert len(found) == len(events)
        assert found.count("accepted") == len(life) == Event.objects.filter(catalog=catalog).count()
        assert found.count("rejected") == len(bad_places)
        transaction.set_rollback(True)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 5_000), min_size=51, max_size=70, unique=True))
def test_the_history_is_the_newest_fifty_in_order_of_time(minutes):
    with transaction.atomic():
        catalog = new_catalog()
        for moment in minutes:
            send(
                catalog,
                [
                    NewEvent(
                        "click", user="u", item="1", occurred_at=NOW - timedelta(minutes=moment)
                    )
                ],
            )
        times = [event.time_s for event in decode_history(UserState.objects.get().history)]
        expected = [NOW.timestamp() - 60 * moment for moment in sorted(minutes)[:50][::-1]]
        assert times == expected
        assert UserState.objects.get().positive_count == len(minutes)
        transaction.set_rollback(True)
