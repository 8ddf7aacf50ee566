"""Tokens in events: T-LOG5 (forged, foreign, expired and repeated ones never count), T-LATE."""

from datetime import timedelta
from uuid import uuid4

import pytest

from recommender import clock
from recommender.collect.events import NewEvent
from recommender.collect.models import Event, Slate, User
from recommender.collect.services import record_events
from recommender.collect.tokens import make_token
from tests.factories import START, make_catalog, make_item, make_slate, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def shown():
    """One list of two items, shown to one user."""
    catalog = make_catalog()
    items = [make_item(catalog, external_id=name) for name in ("a", "b")]
    user = make_user(catalog, external_id="u")
    return make_slate(catalog, items, user=user, at=START)


def send(slate: Slate, *events: NewEvent, after=timedelta(minutes=1), catalog=None, **options):
    with clock.at(START + after):
        return record_events(
            catalog=catalog or slate.catalog, events=events, source="web", **options
        )


def click(slate: Slate, position: int = 1, **fields) -> NewEvent:
    return NewEvent("click", token=make_token(slate.pk, position), **fields)


def test_a_token_supplies_item_user_slate_and_position(shown):
    [result] = send(shown, click(shown, 2))
    event = Event.objects.get(event_id=result.event_id)
    assert (event.item.external_id, event.user.external_id) == ("b", "u")
    assert (event.slate, event.position, event.attribution) == (shown, 2, "direct")


@pytest.mark.parametrize(
    ("after", "attribution"),
    [
        (timedelta(minutes=30), "direct"),
        (timedelta(minutes=31), "view_through"),
        (timedelta(hours=24), "view_through"),
    ],
)
def test_attribution_follows_the_time_since_the_list(shown, after, attribution):
    send(shown, click(shown), after=after)
    assert Event.objects.get().attribution == attribution


def test_a_late_event_joins_its_list_by_when_it_happened(shown):
    send(
        shown,
        click(shown, occurred_at=START + timedelta(minutes=2)),
        after=timedelta(hours=23, minutes=59),
    )
    event = Event.objects.get()
    assert (event.slate, event.attribution) == (shown, "direct")


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda slate: NewEvent("click", token="A" * 46), "forged_token"),
        (lambda slate: click(slate, 3), "expired_token"),
        (lambda slate: NewEvent("click", token=make_token(uuid4(), 1)), "expired_token"),
        (lambda slate: click(slate, user="thief"), "foreign_token"),
        (lambda slate: click(slate, item="b"), "foreign_token"),
        (lambda slate: click(slate, item="nothing"), "foreign_token"),
    ],
)
def test_a_token_that_does_not_fit_never_counts(shown, make, code):
    [result] = send(shown, make(shown))
    assert (result.status, result.code) == ("rejected", code)
    assert not Event.objects.exists()


def test_a_token_of_yesterday_is_expired(shown):
    [result] = send(shown, click(shown), after=timedelta(hours=24, seconds=1))
    assert result.code == "expired_token"


def test_a_retry_of_a_stored_click_stays_a_duplicate_after_the_token_expired(shown):
    event = click(shown, event_id=uuid4())
    send(shown, event)
    [again] = send(shown, event, after=timedelta(days=3))
    assert (again.status, again.code) == ("duplicate", None)


def test_another_catalogs_token_is_foreign(shown):
    [result] = send(shown, click(shown), catalog=make_catalog())
    assert result.code == "foreign_token"


def test_a_signed_in_visitor_cannot_use_anothers_token(shown):
    thief = make_user(shown.catalog)
    [result] = send(shown, click(shown), default_user=thief)
    assert result.code == "foreign_token"


def test_naming_the_right_user_and_item_beside_a_token_is_fine(shown):
    [result] = send(shown, click(shown, user="u", item="a"), default_user=shown.user)
    assert result.status == "accepted"


@pytest.mark.parametrize("type", ["click", "impression"])
def test_a_position_is_looked_at_and_clicked_once(shown, type):
    event = NewEvent(type, token=make_token(shown.pk, 1))
    one_batch = send(shown, event, event)
    assert [(r.status, r.code) for r in one_batch] == [
        ("accepted", None),
        ("duplicate", "repeated"),
    ]
    [later] = send(shown, event)
    assert (later.status, later.code) == ("duplicate", "repeated")
    assert Event.objects.count() == 1


def test_a_look_and_a_click_at_one_position_are_two_events(shown):
    look = NewEvent("view", token=make_token(shown.pk, 1))
    results = send(shown, look, click(shown, 1), click(shown, 2))
    assert {result.status for result in results} == {"accepted"}


def test_other_events_may_carry_a_token_again_and_again(shown):
    token = make_token(shown.pk, 1)
    rate = [NewEvent("rating", token=token, value=value) for value in (3.0, 4.0)]
    assert {result.status for result in send(shown, *rate)} == {"accepted"}


def test_clicks_on_a_list_without_a_profile_count_and_tie_no_lists_together():
    catalog = make_catalog()
    item = make_item(catalog)
    slates = [make_slate(catalog, [item], at=START) for _ in range(2)]
    for slate in slates:
        [result] = send(slate, click(slate))
        assert result.status == "accepted"
    assert Event.objects.filter(slate__in=slates).count() == 2
    assert set(User.objects.values_list("is_personalized", flat=True)) == {False}
    assert User.objects.count() == 2


def test_a_named_user_may_act_on_a_list_without_a_profile():
    catalog = make_catalog()
    slate = make_slate(catalog, [make_item(catalog)], at=START)
    send(slate, click(slate, user="me"))
    assert Event.objects.get().user.external_id == "me"


def test_an_event_without_a_token_is_organic_and_welcome(shown):
    [result] = send(shown, NewEvent("click", user="u", item="a"))
    event = Event.objects.get(event_id=result.event_id)
    assert (event.slate, event.position, event.attribution) == (None, None, "organic")


def test_tokens_cost_two_queries_more(shown, django_assert_max_num_queries):
    make_user(shown.catalog)
    events = [click(shown, 1), click(shown, 2)]
    with django_assert_max_num_queries(14):
        send(shown, *events)
