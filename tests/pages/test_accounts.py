"""Log in, log out, sign up: what was done before stays, guessing is slow, no way off the site."""

from __future__ import annotations

import pytest
from django.test import Client

from recommender.accounts.models import Account
from recommender.collect.models import Event, User
from recommender.pages.claims import claim_visitors
from tests.factories import make_account, make_catalog, make_user
from tests.pages.conftest import World, post_form

PASSWORD = "a long and unlikely one"


def sign_up(client: Client, **data: object):
    fields = {"username": "ada", "password1": PASSWORD, "password2": PASSWORD}
    return post_form(client, "/accounts/signup/", "/accounts/signup/", **(fields | data))


def log_in(client: Client, **data: object):
    return post_form(client, "/accounts/login/", "/accounts/login/", **data)


def test_signing_up_logs_in(world: World, browser: Client):
    assert sign_up(browser, next="/welcome/")["Location"] == "/welcome/"
    assert "ada" in browser.get("/").content.decode()


def test_ratings_from_before_signing_up_are_kept(world: World, browser: Client):
    post_form(browser, "/", "/rate/", item=world.items[0].external_id, value="5")
    sign_up(browser)
    event = Event.objects.get(type="rating", source="web")
    assert event.user.account == Account.objects.get(username="ada")
    assert world.items[0].title in browser.get("/history/").content.decode()


def test_claiming_takes_nobody_elses_user(world: World):
    mine, theirs = make_account(), make_account()
    taken = make_user(world.catalog, account=theirs)
    known = make_user(world.catalog, account=mine)
    free_here, free_there = make_user(world.catalog), make_user(make_catalog(slug="news"))
    keys = [taken.pk, known.pk, free_here.pk, free_there.pk]
    assert claim_visitors(account=mine, keys=keys) == 1
    assert set(User.objects.filter(account=mine)) == {known, free_there}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"password2": "another one entirely"}, "The two password fields"),
        ({"password1": "12345678", "password2": "12345678"}, "too common"),
        ({"username": ""}, "This field is required"),
    ],
)
def test_sign_up_says_what_is_wrong(world: World, browser: Client, data, message: str):
    answer = sign_up(browser, **data)
    assert answer.status_code == 200
    assert message in answer.content.decode()
    assert not Account.objects.exists()


def test_a_name_is_taken_once(world: World, browser: Client):
    make_account(username="ada")
    assert "already exists" in sign_up(browser).content.decode()


def test_logging_in_and_out(world: World, browser: Client):
    make_account(username="ada", password=PASSWORD)
    assert log_in(browser, username="ada", password=PASSWORD)["Location"] == "/"
    assert "Logged in as ada" in browser.get("/preferences/privacy/").content.decode()
    post_form(browser, "/preferences/privacy/", "/accounts/logout/")
    assert "Log in" in browser.get("/").content.decode()


def test_a_wrong_password_is_answered_without_naming_which_was_wrong(world: World, browser: Client):
    make_account(username="ada", password=PASSWORD)
    answer = log_in(browser, username="ada", password="wrong")
    assert "Please enter a correct username and password" in answer.content.decode()


def test_logging_in_never_leads_off_the_site(world: World, browser: Client):
    make_account(username="ada", password=PASSWORD)
    answer = log_in(browser, username="ada", password=PASSWORD, next="https://evil.example/")
    assert answer["Location"] == "/"


def test_guessing_passwords_is_slowed_down(world: World, browser: Client):
    make_account(username="ada", password=PASSWORD)
    codes = [log_in(browser, username="ada", password="wrong").status_code for _ in range(41)]
    assert 429 in codes
    answer = log_in(browser, username="ada", password=PASSWORD)
    assert answer.status_code in (302, 429)  # a new minute may have begun


def test_logging_out_takes_a_post(world: World, client: Client):
    client.force_login(make_account())
    assert client.get("/accounts/logout/").status_code == 405
