import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from recommender import clock
from recommender.collect.events import NewEvent
from recommender.collect.models import Event, RejectedEvent, User, UserState
from recommender.collect.services import record_events
from recommender.collect.state import decode_history, decode_ids
from tests.factories import make_catalog, make_item, make_user

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _fixed_time():
    with clock.at(NOW):
        yield


@pytest.fixture
def catalog():
    catalog = make_catalog()
    for number in range(1, 4):
        make_item(catalog, external_id=str(number))
    return catalog


def send(catalog, *events: NewEvent, source: str = "api", **options):
    return record_events(catalog=catalog, events=events, source=source, **options)


def rate(item: str = "1", value: float = 5.0, user: str = "u", **fields) -> NewEvent:
    return NewEvent("rating", user=user, item=item, value=value, **fields)


def statuses(results) -> list[tuple[str, str | None]]:
    return [(result.status, result.code) for result in results]


def state_of(catalog, user: str = "u") -> UserState:
    return UserState.objects.get(catalog=catalog, user__external_id=user)


def names(catalog, blob) -> list[str]:
    keys = dict(catalog.items.values_list("pk", "external_id"))
    return [keys[key] for key in decode_ids(blob)]


def test_a_rating_becomes_a_row_a_user_and_a_state(catalog):
    [result] = send(catalog, rate(value=4.5, occurred_at=NOW - timedelta(hours=1), session_id="s"))
    event = Event.objects.get()
    assert (result.status, result.event_id, result.index) == ("accepted", event.event_id, 0)
    assert (event.user.external_id, event.item.external_id, event.value) == ("u", "1", 4.5)
    assert (event.occurred_at, event.received_at) == (NOW - timedelta(hours=1), NOW)
    assert (event.attribution, event.source, event.session_id) == ("organic", "api", "s")
    state = state_of(catalog)
    assert (state.event_seq, state.rating_count, state.rating_sum) == (1, 1, 4.5)
    assert names(catalog, state.seen) == ["1"]
    assert decode_history(state.history)[0][1:3] == ("rating", 4.5)
    assert state.profile_updated_at == NOW


def test_a_retry_changes_nothing_and_says_so(catalog):
    event = rate(event_id=uuid4())
    send(catalog, event)
    before = UserState.objects.values().get()
    [again] = send(catalog, event)
    assert (again.status, again.code) == ("duplicate", None)
    assert Event.objects.count() == 1
    assert UserState.objects.values().get() == before


def test_one_id_twice_in_a_batch_is_one_row(catalog):
    event = rate(event_id=uuid4())
    assert statuses(send(catalog, event, event)) == [("accepted", None), ("duplicate", None)]
    assert state_of(catalog).event_seq == 1


def test_an_id_with_another_body_is_a_conflict_in_a_batch_and_later(catalog):
    name = uuid4()
    first, other = rate(event_id=name), rate(event_id=name, value=1.0)
    assert statuses(send(catalog, first, other)) == [("accepted", None), ("rejected", "conflict")]
    assert statuses(send(catalog, other)) == [("rejected", "conflict")]
    assert Event.objects.get().value == 5.0


def test_another_spelling_of_a_body_is_the_same_body(catalog):
    name = uuid4()
    utc = datetime(2026, 3, 1, 10, tzinfo=UTC)
    local = datetime.fromisoformat("2026-03-01T18:00:00+08:00")
    send(catalog, NewEvent("impression", name, "u", "1", occurred_at=utc))
    [again] = send(catalog, NewEvent("view", name, "u", "1", occurred_at=local))
    assert again.status == "duplicate"


def test_the_same_id_in_two_catalogs_is_two_events(catalog):
    other = make_catalog()
    make_item(other, external_id="1")
    event = rate(event_id=uuid4())
    assert statuses(send(catalog, event) + send(other, event)) == [("accepted", None)] * 2


def test_a_rejected_id_may_be_used_again_for_a_good_event(catalog):
    name = uuid4()
    results = send(catalog, rate(item="77", event_id=name), rate(event_id=name))
    assert statuses(results) == [("rejected", "unknown_item"), ("accepted", None)]


@pytest.mark.parametrize(
    ("event", "code", "detail"),
    [
        (rate(item="77"), "unknown_item", "no item '77'"),
        (NewEvent("nap", user="u", item="1"), "unknown_type", "'nap'; this catalog knows"),
        (rate(value=5.5), "bad_value", "The rating is 5.5; the scale runs from 0.5 to 5 by 0.5"),
        (rate(value=4.3), "bad_value", "The rating is 4.3"),
        (rate(value=None), "bad_value", "The rating is None"),
        (rate(value=float("nan")), "bad_value", "The rating is nan"),
        (rate(value=10**400), "bad_value", "The rating is 1000"),
        (NewEvent("click", user="u", item="1", value=-1.0), "bad_value", "The value is -1.0"),
        (NewEvent("click", item="1"), "missing_user", "names no user"),
        (NewEvent("click", user="u"), "missing_item", "of type click needs an item"),
        (NewEvent("undo", user="u"), "unknown_event", "no event with the id"),
        (NewEvent("undo", user="u", undoes=uuid4()), "unknown_event", "no event with the id"),
        (rate(user="x" * 201), "bad_value", "user must have at most 200 characters"),
        (rate(user="a\0b"), "bad_value", "none of them NUL"),
        (rate(reason="x" * 41), "bad_value", "reason must have at most 40"),
        (rate(session_id="\ud800"), "bad_value", "session_id"),
        (rate(occurred_at=datetime(2026, 3, 1)), "bad_value", "has no time zone"),
        (rate(token="nonsense"), "forged_token", "not made here"),
    ],
)
def test_a_bad_event_is_refused_with_its_reason_and_kept_for_the_operator(
    catalog, event, code, detail
):
    results = send(catalog, rate(item="2"), event, rate(item="3"))
    assert [result.status for result in results] == ["accepted", "rejected", "accepted"]
    assert results[1].code == code
    assert detail in results[1].detail
    rejected = RejectedEvent.objects.get()
    assert (rejected.code, rejected.detail) == (code, results[1].detail)
    assert event.type in rejected.payload
    assert set(User.objects.values_list("external_id", flat=True)) == {"u"}


def test_a_huge_payload_is_cut_before_it_is_kept(catalog):
    send(catalog, rate(item="x" * 100_000))
    assert len(RejectedEvent.objects.get().payload) == 2000


def test_three_bad_events_of_a_thousand_are_named_and_the_rest_stored(catalog):
    events = [NewEvent("click", user=f"u{n % 50}", item="1") for n in range(1000)]
    for index in (0, 500, 999):
        events[index] = NewEvent("click", user="u", item="77")
    results = send(catalog, *events)
    assert [r.index for r in results if r.status == "rejected"] == [0, 500, 999]
    assert Event.objects.count() == 997


def test_a_batch_takes_the_same_queries_whatever_its_size(catalog, django_assert_max_num_queries):
    events = [rate(item=str(1 + n % 3), user=f"u{n}") for n in range(200)]
    send(catalog, rate(user="somebody"))
    with django_assert_max_num_queries(12):
        send(catalog, *events)


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (timedelta(days=-29), timedelta(days=-29)),
        (timedelta(days=-31), timedelta(days=-30)),
        (timedelta(days=-20_000), timedelta(days=-30)),
        (timedelta(minutes=4), timedelta(minutes=4)),
        (timedelta(days=27_000), timedelta(minutes=5)),
    ],
)
def test_a_clients_clock_is_believed_within_limits_and_its_error_kept(catalog, ahead, expected):
    send(catalog, rate(occurred_at=NOW + ahead))
    event = Event.objects.get()
    assert event.occurred_at == NOW + expected
    assert event.clock_skew_s == ahead.total_seconds()


@pytest.mark.parametrize("source", ["import", "simulated"])
def test_imports_and_the_simulator_speak_of_the_past(catalog, source):
    send(catalog, rate(occurred_at=NOW - timedelta(days=9000)), source=source)
    assert Event.objects.get().occurred_at == NOW - timedelta(days=9000)
    assert User.objects.get().is_simulated == (source == "simulated")


def test_an_unknown_source_is_a_programming_error(catalog):
    with pytest.raises(ValueError, match="carrier pigeon"):
        send(catalog, rate(), source="carrier pigeon")


def test_events_without_a_time_keep_the_order_of_the_batch(catalog):
    send(catalog, rate(value=3.0, event_id=UUID(int=9)), rate(value=4.5, event_id=UUID(int=1)))
    state = state_of(catalog)
    assert (state.rating_count, state.rating_sum) == (1, 4.5)


def test_the_latest_rating_counts_even_when_it_arrives_first(catalog):
    send(catalog, rate(value=4.5, occurred_at=NOW))
    send(catalog, rate(value=1.0, occurred_at=NOW - timedelta(days=2)))
    state = state_of(catalog)
    assert (state.event_seq, state.rating_count, state.rating_sum) == (2, 1, 4.5)
    assert [entry.value for entry in decode_history(state.history)] == [4.5]


def test_rating_low_takes_a_film_out_of_the_history_but_not_out_of_the_seen(catalog):
    send(catalog, rate(value=5.0, occurred_at=NOW - timedelta(hours=1)))
    send(catalog, rate(value=1.0))
    state = state_of(catalog)
    assert decode_history(state.history) == []
    assert (names(catalog, state.seen), state.positive_count) == (["1"], 0)


def test_dismissing_hides_and_undoing_shows_again(catalog):
    dismissal = uuid4()
    send(catalog, NewEvent("dismiss", dismissal, "u", "2", reason="not for me"))
    assert names(catalog, state_of(catalog).hidden) == ["2"]
    send(catalog, NewEvent("undo", user="u", undoes=dismissal))
    state = state_of(catalog)
    assert (names(catalog, state.hidden), state.event_seq) == ([], 2)
    assert Event.objects.get(type="undo").target.event_id == dismissal


def test_undoing_a_second_rating_brings_the_first_one_back(catalog):
    second = uuid4()
    send(catalog, rate(value=3.0))
    send(catalog, rate(value=5.0, event_id=second))
    send(catalog, NewEvent("undo", user="u", undoes=second))
    assert state_of(catalog).rating_sum == 3.0


def test_an_event_and_its_undo_may_share_a_batch_in_any_order(catalog):
    first, second = uuid4(), uuid4()
    results = send(
        catalog,
        NewEvent("undo", user="u", undoes=first),
        rate(event_id=first),
        rate(item="2", event_id=second),
        NewEvent("undo", user="u", undoes=second),
    )
    assert statuses(results) == [("accepted", None)] * 4
    state = state_of(catalog)
    assert (state.event_seq, state.rating_count, names(catalog, state.seen)) == (4, 0, [])


def test_nobody_takes_back_what_another_person_did(catalog):
    target = uuid4()
    send(catalog, rate(event_id=target))
    [result] = send(catalog, NewEvent("undo", user="thief", undoes=target))
    assert result.code == "unknown_event"
    assert state_of(catalog).rating_count == 1
    [own] = send(catalog, NewEvent("undo", undoes=target))
    assert own.status == "accepted"


@pytest.mark.parametrize("type", ["impression", "undo"])
def test_a_look_and_an_undo_cannot_be_taken_back(catalog, type):
    target = uuid4()
    rated = uuid4()
    send(catalog, rate(event_id=rated))
    undoes = rated if type == "undo" else None
    send(catalog, NewEvent(type, target, "u", "1", undoes=undoes))
    assert statuses(send(catalog, NewEvent("undo", user="u", undoes=target))) == [
        ("rejected", "unknown_event")
    ]


def test_looking_at_things_leaves_the_state_alone(catalog):
    send(catalog, NewEvent("impression", user="u", item="1"))
    assert not UserState.objects.exists()


def test_the_default_user_acts_where_an_event_names_nobody(catalog):
    user = make_user(catalog, external_id="me")
    send(catalog, NewEvent("click", item="1"), rate(user="other"), default_user=user)
    assert Event.objects.get(type="click").user == user
    assert Event.objects.get(type="rating").user.external_id == "other"


def test_nothing_sent_is_nothing_done(catalog):
    assert send(catalog) == []


def test_a_refused_payload_is_json_that_can_be_read(catalog):
    send(catalog, rate(item="77", event_id=UUID(int=5), occurred_at=NOW))
    payload = json.loads(RejectedEvent.objects.get().payload)
    assert payload["event_id"] == str(UUID(int=5))
    assert "token" not in payload
