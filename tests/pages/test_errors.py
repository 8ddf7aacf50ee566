"""Error pages: what to do, the request id, working navigation; 500 needs nothing that can fail."""

from __future__ import annotations

import pytest
from django.test import Client, RequestFactory

from recommender.errors import BadData, Missing, NotReady, Refused
from recommender.pages import errors, views
from tests.pages.conftest import World


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_not_found_leads_on(world: World, client: Client, language: str):
    client.cookies["language"] = language
    answer = client.get("/no/such/page/", headers={"X-Request-Id": "abcdefgh12"})
    page = answer.content.decode()
    assert answer.status_code == 404
    assert 'href="/browse/"' in page
    assert "abcdefgh12" in page


def test_a_missing_csrf_token_is_explained(world: World):
    answer = Client(enforce_csrf_checks=True).post("/rate/", {})
    assert answer.status_code == 403
    assert "reload the page" in answer.content.decode()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Missing("no such row"), 404),
        (BadData("what came was wrong"), 400),
        (Refused("not now"), 403),
        (NotReady("no data yet"), 503),
    ],
)
def test_errors_raised_on_purpose_are_pages(
    world: World, client: Client, monkeypatch, error, status
):
    def fail(request: object) -> None:
        raise error

    monkeypatch.setattr(views.serve, "home", fail)
    answer = client.get("/")
    assert answer.status_code == status
    assert str(error) in answer.content.decode()


def test_the_500_page_reads_no_database_and_speaks_both_languages():
    request = RequestFactory().get("/")
    request.request_id = "abcdefgh12"
    answer = errors.server_error(request)  # the test has no database: a query would fail
    page = answer.content.decode()
    assert answer.status_code == 500
    assert "Something went wrong" in page
    assert "我们这边出错了" in page
    assert "abcdefgh12" in page
