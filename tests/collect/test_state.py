from uuid import UUID

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.collect.models import UserState
from recommender.collect.state import (
    HISTORY_LENGTH,
    Fact,
    HistoryEvent,
    State,
    StateRules,
    decode_history,
    decode_ids,
    encode_ids,
    rebuild_states,
    state_of,
    trim,
)
from tests.factories import START, make_catalog, make_event, make_item, make_user

entries = st.builds(
    HistoryEvent,
    st.integers(1, 2**31 - 1),
    st.sampled_from(["click", "rating"]),
    st.none() | st.floats(0, 5),
    st.floats(0, 4e9),
)


@given(st.lists(entries, max_size=60))
def test_a_history_comes_back_as_it_went_in(history):
    blob = orjson.dumps([tuple(entry) for entry in history])
    assert decode_history(blob) == decode_history(memoryview(blob)) == history


@given(st.lists(st.integers(1, 2**31 - 1)))
def test_ids_come_back_in_their_order(ids):
    found = decode_ids(encode_ids(ids))
    assert (found.tolist(), found.dtype) == (ids, np.int32)


def test_empty_blobs_are_empty():
    assert decode_history(b"") == []
    assert decode_ids(b"").tolist() == []


@given(st.lists(entries, max_size=120))
def test_trimming_keeps_the_newest_whatever_the_order(history):
    one = State(entries=list(history), is_sorted=False)
    other = State(entries=list(reversed(history)), is_sorted=False)
    trim(one)
    trim(other)
    assert one.history == other.history
    assert len(one.history) == min(len(history), HISTORY_LENGTH)
    newest = sorted((entry.time_s for entry in history), reverse=True)[:HISTORY_LENGTH]
    assert [entry.time_s for entry in one.history] == newest[::-1]


def fact(number: int, type: str, item: int | None, value: float | None, time_s: float) -> Fact:
    return Fact(time_s, UUID(int=number), type, item, value)


@pytest.mark.django_db
def test_a_fold_worked_by_hand():
    rules = StateRules(make_catalog())
    state = rules.fold(
        [
            fact(1, "rating", 7, 5.0, 10),  # superseded
            fact(2, "rating", 7, 3.0, 20),  # counts half, from the middle of the scale on
            fact(3, "rating", 8, 1.0, 30),  # seen, and no recommendation
            fact(4, "click", 9, None, 40),
            fact(5, "dismiss", 3, None, 50),
            fact(6, "purchase", 4, 9.5, 15),
            fact(7, "custom", None, None, 60),
        ]
    )
    assert [(e.item_id, e.type, e.value) for e in state.history] == [
        (4, "purchase", 9.5),
        (7, "rating", 3.0),
        (9, "click", None),
    ]
    assert (state.seen, state.hidden) == ({4, 7, 8}, {3})
    assert (state.rating_count, state.rating_sum, state.positive_count) == (2, 4.0, 3)


@pytest.mark.django_db
def test_equal_times_are_decided_by_the_event_id():
    rules = StateRules(make_catalog())
    facts = [fact(1, "rating", 7, 5.0, 10), fact(2, "rating", 7, 1.0, 10)]
    assert rules.fold(facts).rating_sum == rules.fold(facts[::-1]).rating_sum == 1.0


@pytest.mark.django_db
def test_a_rebuild_writes_everybodys_state_and_drops_stored_lists():
    catalog = make_catalog()
    item = make_item(catalog)
    users = [make_user(catalog) for _ in range(3)]
    for user in users[:2]:
        make_event(user, item, value=4.0)
    UserState.objects.create(
        user=users[0], catalog=catalog, profile_updated_at=START, list_seq=0, event_seq=0
    )
    told = []
    assert rebuild_states(catalog=catalog, progress=lambda *args: told.append(args)) == 2
    state = state_of(users[0])
    assert (state.event_seq, state.rating_sum, state.list_seq) == (1, 4.0, None)
    assert decode_ids(state.seen).tolist() == [item.pk]
    assert state_of(users[2]) is None
    assert told == [(2, 2)]


@pytest.mark.django_db
def test_a_rebuild_may_be_of_some_users_only():
    catalog = make_catalog()
    one, other = make_user(catalog), make_user(catalog)
    for user in (one, other):
        make_event(user, make_item(catalog))
    assert rebuild_states(catalog=catalog, users=[one.pk]) == 1
    assert state_of(one).event_seq == 1
    assert state_of(other) is None


@pytest.mark.django_db
def test_a_rebuild_forgets_what_has_no_event_any_more():
    catalog = make_catalog()
    user = make_user(catalog)
    UserState.objects.create(
        user=user, catalog=catalog, profile_updated_at=START, event_seq=4, seen=encode_ids([1, 2])
    )
    rebuild_states(catalog=catalog)
    state = state_of(user)
    assert (state.event_seq, bytes(state.seen)) == (0, b"")


@pytest.mark.django_db
def test_many_users_are_done_in_batches(monkeypatch):
    monkeypatch.setattr("recommender.collect.state.USERS_PER_BATCH", 2)
    catalog = make_catalog()
    item = make_item(catalog)
    for _ in range(5):
        make_event(make_user(catalog), item)
    told = []
    rebuild_states(catalog=catalog, progress=lambda *args: told.append(args))
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert UserState.objects.filter(event_seq=1).count() == 5
