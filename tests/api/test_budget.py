"""Rate limits: exact where they are small, honest in what they promise."""

import re

import pytest
from django.db import OperationalError

from recommender.accounts.models import RateWindow
from recommender.api import budget
from tests.api.conftest import key_for


def read(response) -> tuple[int, int]:
    """Return what is left and in how many seconds it starts anew."""
    found = re.fullmatch(r'"default";r=(\d+);t=(\d+)', response["RateLimit"])
    return int(found[1]), int(found[2])


@pytest.fixture(autouse=True)
def _in_the_middle_of_a_minute(monkeypatch):
    monkeypatch.setattr("recommender.accounts.limits.time.time", lambda: 1_000_040.0)


def test_exactly_the_limit_passes(catalog):
    api = key_for(catalog, rate_limit=5)
    statuses = [api.get("models").status_code for _ in range(8)]
    assert statuses == [200] * 5 + [429] * 3


def test_a_refusal_says_how_long_to_wait(catalog):
    api = key_for(catalog, rate_limit=1)
    api.get("models")
    response = api.get("models")
    assert response.json()["type"].endswith("/rate_limited/")
    assert response["Retry-After"] == "40"
    assert read(response) == (0, 40)


def test_the_headers_count_down(catalog):
    api = key_for(catalog, rate_limit=100)
    response = api.get("models")
    assert response["RateLimit-Policy"] == '"default";q=100;w=60'
    assert [read(response)[0], read(api.get("models"))[0]] == [99, 98]
    assert not [name for name in response.headers if name.lower().startswith("x-ratelimit")]


def test_dear_requests_cost_more(catalog):
    api = key_for(catalog, rate_limit=100)
    assert read(api.post("users:batch", {"users": []}))[0] == 95


def test_permits_come_in_blocks_so_that_most_requests_need_no_statement(catalog):
    api = key_for(catalog, rate_limit=600)
    left = [read(api.get("models"))[0] for _ in range(16)]
    assert left == list(range(599, 583, -1))
    assert RateWindow.objects.get().spent == 30  # two blocks of 15


def test_two_processes_never_let_more_through_than_the_limit(catalog):
    api = key_for(catalog, rate_limit=200)
    passed = 0
    for _ in range(260):
        budget.forget()  # as if each request came to a fresh process
        passed += api.get("models").status_code == 200
    assert passed <= 200


def test_a_caller_that_obeys_the_headers_is_never_refused(catalog, monkeypatch):
    api = key_for(catalog, rate_limit=300)
    moment = [1_000_000.0]
    for module in ("recommender.accounts.limits.time.time", "recommender.api.budget.monotonic"):
        monkeypatch.setattr(module, lambda: moment[0])
    for _ in range(650):
        response = api.get("models")
        assert response.status_code == 200
        left, resets_in_s = read(response)
        moment[0] += resets_in_s if left == 0 else 0.01


def test_open_addresses_cost_nothing(catalog):
    assert "RateLimit" not in key_for(catalog).get("health/live").headers


def test_lists_are_answered_while_nothing_can_be_counted(catalog, monkeypatch):
    api = key_for(catalog)

    def fall(**_rest):
        raise OperationalError("disk I/O error")

    monkeypatch.setattr("recommender.api.budget.spend", fall)
    response = api.get("models")
    assert (response.status_code, read(response)[0]) == (200, 0)
