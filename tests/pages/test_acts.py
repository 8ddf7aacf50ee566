"""Rating, dismissing and taking back: plain forms, checked, and never anybody else's."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from uuid import UUID

import pytest
from django.test import Client

from recommender.collect.models import Event, User, UserState
from recommender.collect.state import decode_ids
from tests.factories import make_account, make_event
from tests.pages.conftest import NOW, World, post_form

FRAGMENT = {"X-Fragment": "1"}


def rate(client: Client, item, value: object = 4, **data: object):
    return post_form(client, "/", "/rate/", item=item.external_id, value=value, **data)


def dismiss(client: Client, item, **data: object):
    return post_form(client, "/", "/dismiss/", item=item.external_id, **data)


def shown_on_home(client: Client) -> set[str]:
    page = client.get("/").content.decode()
    return set(re.findall(r'<li class="card"[^>]* data-item="([^"]+)"', page))


def test_rating_works_without_a_script_and_says_so(world: World, browser: Client):
    answer = rate(browser, world.items[0], 4, next="/welcome/")
    assert (answer.status_code, answer["Location"]) == (302, "/welcome/")
    event = Event.objects.get(type="rating", source="web")
    assert (event.value, event.item) == (4.0, world.items[0])
    page = browser.get("/welcome/").content.decode()
    assert "Rated “Film" in page
    assert str(event.event_id) in page  # the undo form


def test_a_rating_carries_the_list_that_led_to_it(world: World, browser: Client):
    token = world.token(world.items[0])
    rate(browser, world.items[0], 5, token=token)
    event = Event.objects.get(type="rating", source="web")
    assert event.position == 1
    assert event.attribution == "direct"


def test_a_rating_on_a_page_left_open_for_days_still_counts(world: World, browser: Client):
    from recommender.collect.tokens import make_token
    from tests.factories import make_slate

    old = make_slate(world.catalog, [world.items[0]], at=NOW - timedelta(days=3))
    assert rate(browser, world.items[0], 5, token=make_token(old.id, 1)).status_code == 302
    assert Event.objects.get(type="rating", source="web").slate is None


def test_rated_items_leave_home(world: World, browser: Client):
    item = world.items[0]
    assert item.external_id in shown_on_home(browser)
    rate(browser, item)
    assert item.external_id not in shown_on_home(browser)


def test_three_ratings_are_counted(world: World, browser: Client):
    for item in world.items[:2]:
        rate(browser, item)
    assert "(2/3)" in browser.get("/").content.decode()
    rate(browser, world.items[2])
    assert "/3)" not in browser.get("/").content.decode()


@pytest.mark.parametrize("value", ["", "five", "9", "4.3", "nan", "-1"])
def test_a_rating_off_the_scale_is_refused(world: World, browser: Client, value: str):
    assert rate(browser, world.items[0], value).status_code == 400
    assert not Event.objects.filter(source="web").exists()


def test_forms_without_the_csrf_token_are_refused(world: World, browser: Client):
    browser.get("/")
    for action in ("/rate/", "/dismiss/", "/undo/", "/signals/", "/preferences/privacy/"):
        assert browser.post(action, {"item": "x"}).status_code == 403, action
    assert not Event.objects.filter(source="web").exists()


def test_acts_are_posts(world: World, client: Client):
    for action in ("/rate/", "/dismiss/", "/undo/", "/signals/", "/preferences/theme/"):
        assert client.get(action).status_code == 405, action


@pytest.mark.parametrize(
    "next", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"]
)
def test_a_form_never_leads_off_the_site(world: World, browser: Client, next: str):
    assert rate(browser, world.items[0], next=next)["Location"] == "/"


def test_a_token_of_somebody_elses_list_is_refused(world: World, browser: Client):
    rate(browser, world.items[5])  # now the browser is somebody
    foreign = world.token(world.items[0], world.people[0])
    answer = rate(browser, world.items[0], token=foreign)
    assert answer.status_code == 400
    assert "belongs to another user" in answer.content.decode()


def test_an_item_that_does_not_exist_is_refused_by_name(world: World, browser: Client):
    answer = post_form(browser, "/", "/rate/", item="nope", value=4)
    assert answer.status_code == 400
    assert "There is no item &#x27;nope&#x27;" in answer.content.decode()


def test_the_script_gets_fragments_of_the_same_page(world: World, browser: Client):
    browser.get("/")
    item = world.items[0]
    data = {"item": item.external_id, "value": "3.5", "next": "/"}
    token = browser.cookies["csrf"].value
    answer = browser.post("/rate/", data | {"csrfmiddlewaretoken": token}, headers=FRAGMENT)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert f'data-swap="rating-{item.pk}"' in page
    assert "You: 3.5 stars" in page
    assert page.count("is-full") == 3
    assert page.count("is-half") == 1
    assert "<html" not in page


def test_the_script_hears_why_something_was_refused(world: World, browser: Client):
    browser.get("/")
    data = {"item": world.items[0].external_id, "value": "9"}
    token = browser.cookies["csrf"].value
    answer = browser.post("/rate/", data | {"csrfmiddlewaretoken": token}, headers=FRAGMENT)
    assert answer.status_code == 400
    assert "message-error" in answer.content.decode()
    assert "The rating is 9.0" in answer.content.decode()


def test_a_dismissed_item_never_returns_until_undone(world: World, browser: Client):
    item = world.items[0]
    before = shown_on_home(browser)
    dismiss(browser, item)
    assert all(item.external_id not in shown_on_home(browser) for _ in range(5))
    event = Event.objects.get(type="dismiss")
    post_form(browser, "/", "/undo/", event_id=str(event.event_id))
    assert item.external_id in shown_on_home(browser)
    assert shown_on_home(browser) == before | shown_on_home(browser)


def test_a_reason_replaces_the_first_dismissal(world: World, browser: Client):
    item = world.items[0]
    dismiss(browser, item)
    first = Event.objects.get(type="dismiss")
    dismiss(browser, item, reason="taste", undoes=str(first.event_id))
    standing = Event.objects.standing().filter(type="dismiss")
    assert [event.reason for event in standing] == ["taste"]
    state = UserState.objects.get(user=standing[0].user)
    assert decode_ids(state.hidden).tolist() == [item.pk]


def test_the_hidden_page_lists_and_restores(world: World, browser: Client):
    item = world.items[0]
    dismiss(browser, item)
    assert item.title in browser.get("/hidden/").content.decode()
    event = Event.objects.get(type="dismiss")
    post_form(browser, "/hidden/", "/undo/", event_id=str(event.event_id), next="/hidden/")
    assert item.title not in browser.get("/hidden/").content.decode()


def test_deleting_an_entry_of_the_history_takes_the_rating_back(world: World, browser: Client):
    rate(browser, world.items[0], 2)
    page = browser.get("/history/").content.decode()
    assert world.items[0].title in page
    assert "2 stars" in page
    event = Event.objects.get(type="rating", source="web")
    post_form(browser, "/history/", "/undo/", event_id=str(event.event_id), next="/history/")
    page = browser.get("/history/").content.decode()
    assert "There is nothing yet" in page


def test_nobody_takes_back_what_others_did(world: World, browser: Client):
    theirs = make_event(world.people[0], world.items[0], "dismiss")
    answer = post_form(browser, "/", "/undo/", event_id=str(theirs.event_id))
    assert answer.status_code == 400  # this browser did nothing yet
    rate(browser, world.items[5])
    answer = post_form(browser, "/", "/undo/", event_id=str(theirs.event_id))
    assert answer.status_code == 400
    assert not Event.objects.filter(type="undo").exists()


@pytest.mark.parametrize("event_id", ["", "nonsense", str(UUID(int=1))])
def test_undo_refuses_what_is_no_event(world: World, browser: Client, event_id: str):
    rate(browser, world.items[5])
    assert post_form(browser, "/", "/undo/", event_id=event_id).status_code == 400


def test_a_first_act_makes_one_user_of_a_browser(world: World, browser: Client):
    before = User.objects.count()
    rate(browser, world.items[0])
    rate(browser, world.items[1])
    assert User.objects.count() == before + 1
    assert User.objects.latest("pk").external_id.startswith("visitor:")


def test_somebody_signed_in_acts_as_their_account(world: World, client: Client):
    account = make_account()
    client.force_login(account)
    client.post("/rate/", {"item": world.items[0].external_id, "value": "4"})
    assert Event.objects.get(type="rating", source="web").user.account == account


def signal(client: Client, body: object):
    client.get("/")
    headers = {"X-CSRFToken": client.cookies["csrf"].value}
    return client.post("/signals/", body, content_type="application/json", headers=headers)


def test_each_card_in_view_is_counted_once(world: World, browser: Client):
    tokens = [world.token(item) for item in world.items[:3]]
    for _ in range(2):
        assert signal(browser, json.dumps({"tokens": tokens})).status_code == 204
    assert Event.objects.filter(type="impression", source="web").count() == 3


def test_views_with_personalization_off_are_nobodys(world: World, browser: Client):
    rate(browser, world.items[5])
    user = User.objects.latest("pk")
    post_form(browser, "/", "/preferences/privacy/", is_personalized="0", scope="visit")
    signal(browser, json.dumps({"tokens": [world.token(world.items[0])]}))
    assert Event.objects.get(type="impression").user != user


@pytest.mark.parametrize("body", ["", "[]", '{"tokens": 3}', '{"tokens": [1]}', "{}", "\xff"])
def test_malformed_signals_are_refused(world: World, browser: Client, body: str):
    assert signal(browser, body).status_code == 400
    assert not Event.objects.filter(type="impression").exists()


def test_forged_tokens_in_signals_count_nothing(world: World, browser: Client):
    assert signal(browser, json.dumps({"tokens": ["x" * 46, ""]})).status_code == 204
    assert not Event.objects.filter(type="impression").exists()
