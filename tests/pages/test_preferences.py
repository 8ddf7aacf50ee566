"""The off switch, the theme, the language."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from recommender.accounts.models import Account
from recommender.collect.models import Slate, User
from tests.factories import make_account, make_event
from tests.pages.conftest import NOW, World, post_form


def switch(client: Client, is_on: str, scope: str = "lasting"):
    page = "/preferences/privacy/"
    return post_form(client, page, page, is_personalized=is_on, scope=scope, next="/")


def home_items(client: Client) -> list[str]:
    return re.findall(
        r'<li class="card"[^>]* data-item="([^"]+)"', client.get("/").content.decode()
    )


def signed_in(world: World, favorite: int) -> Client:
    client = Client(enforce_csrf_checks=True)
    account = make_account()
    client.force_login(account)
    client.get("/")
    user = User.objects.get(account=account)
    for item in world.items[favorite : favorite + 3]:
        make_event(user, item, value=5.0, at=NOW)
    return client


def test_off_shows_two_people_the_same_rows(world: World):
    clients = [signed_in(world, 0), signed_in(world, 20)]
    for client in clients:
        switch(client, "0")
    Slate.objects.all().delete()
    assert home_items(clients[0]) == home_items(clients[1])
    assert set(Slate.objects.values_list("user")) == {(None,)}


def test_the_lasting_switch_outlives_the_session(world: World):
    client = signed_in(world, 0)
    switch(client, "0")
    account = Account.objects.get()
    assert User.objects.get(account=account).is_personalized is False
    again = Client()
    again.force_login(account)
    assert "Personalization is off" in again.get("/").content.decode()


def test_the_switch_on_home_is_for_this_visit(world: World):
    client = signed_in(world, 0)
    switch(client, "0", scope="visit")
    assert "Personalization is off" in client.get("/").content.decode()
    assert User.objects.get(account=Account.objects.get()).is_personalized is True


def test_on_again_undoes_both_switches(world: World):
    client = signed_in(world, 0)
    switch(client, "0")
    switch(client, "1", scope="visit")
    client.get("/")  # reads the messages
    assert "Personalization is off" not in client.get("/").content.decode()
    assert User.objects.get(account=Account.objects.get()).is_personalized is True


def test_a_visitor_without_any_act_can_switch_off_too(world: World, browser: Client):
    people = User.objects.count()
    assert switch(browser, "0").status_code == 302
    assert "Personalize again" in browser.get("/").content.decode()
    assert User.objects.count() == people


@pytest.mark.parametrize("value", ["", "2", "on"])
def test_the_switch_knows_only_on_and_off(world: World, browser: Client, value: str):
    assert switch(browser, value).status_code == 400


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
def test_the_theme_is_drawn_by_the_server(world: World, browser: Client, theme: str):
    answer = post_form(browser, "/", "/preferences/theme/", theme=theme, next="/history/")
    assert answer["Location"] == "/history/"
    assert f'data-theme="{theme}"' in browser.get("/history/").content.decode()


def test_the_theme_of_an_account_follows_it(world: World):
    client = signed_in(world, 0)
    post_form(client, "/", "/preferences/theme/", theme="dark")
    again = Client()
    again.force_login(Account.objects.get())
    assert 'data-theme="dark"' in again.get("/").content.decode()


@pytest.mark.parametrize("theme", ["", "blue", '"><script>'])
def test_an_unknown_theme_changes_nothing(world: World, browser: Client, theme: str):
    answer = post_form(browser, "/", "/preferences/theme/", theme=theme, next="//evil.example")
    assert answer["Location"] == "/"
    browser.cookies["theme"] = theme
    assert 'data-theme="auto"' in browser.get("/").content.decode()


def test_the_language_is_chosen_by_a_form(world: World, browser: Client):
    post_form(browser, "/", "/i18n/setlang/", language="zh-hans", next="/history/")
    assert '<html lang="zh-Hans"' in browser.get("/history/").content.decode()
