import threading

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.accounts import limits
from recommender.accounts.limits import Budget, forget_old_windows, spend
from recommender.accounts.models import RateWindow
from tests.factories import n

pytestmark = pytest.mark.django_db


@pytest.fixture
def clocked(monkeypatch):
    turned = [60.0 * 1000 + 15]
    monkeypatch.setattr(limits.time, "time", lambda: turned[0])
    return turned


def test_a_budget_runs_out_and_comes_back_with_the_next_minute(clocked):
    found = [spend(subject="key:1", limit=2) for _ in range(3)]
    assert found == [Budget(True, 1, 45), Budget(True, 0, 45), Budget(False, 0, 45)]
    clocked[0] += 45
    assert spend(subject="key:1", limit=2) == Budget(True, 1, 60)


def test_subjects_have_their_own_budgets(clocked):
    assert spend(subject="a", limit=1).is_allowed
    assert spend(subject="b", limit=1).is_allowed


def test_a_refused_request_takes_nothing(clocked):
    spend(subject="a", limit=10, cost=7)
    assert spend(subject="a", limit=10, cost=4) == Budget(False, 3, 45)
    assert spend(subject="a", limit=10, cost=3) == Budget(True, 0, 45)


def test_what_costs_more_than_everything_is_refused_from_the_start(clocked):
    assert spend(subject="a", limit=5, cost=6) == Budget(False, 5, 45)
    assert not RateWindow.objects.exists()


def test_longer_windows_start_at_their_own_multiples(clocked):
    assert spend(subject="a", limit=1, window_s=3600).resets_in_s == 3600 * 17 - 60_015
    with pytest.raises(ValueError, match="window_s is 90; use a multiple of 60"):
        spend(subject="a", limit=1, window_s=90)


def test_windows_of_days_ago_are_swept(clocked):
    spend(subject="old", limit=1)
    clocked[0] += 2 * 24 * 3600 + 120
    spend(subject="new", limit=1)
    assert forget_old_windows() == 1
    assert RateWindow.objects.get().subject == "new"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 9), max_size=12), st.integers(1, 20))
def test_never_more_is_spent_than_the_limit(costs, limit):
    subject = f"s{n()}"
    budgets = [spend(subject=subject, limit=limit, cost=cost, window_s=86_400) for cost in costs]
    spent = sum(cost for cost, b in zip(costs, budgets, strict=True) if b.is_allowed)
    assert spent <= limit
    assert all(0 <= budget.remaining <= limit for budget in budgets)
    if budgets:
        assert budgets[-1].remaining == limit - spent


@pytest.mark.django_db(transaction=True)
def test_forty_parallel_requests_at_a_limit_of_ten_pass_exactly_ten():
    if connection.vendor == "sqlite" and "memory" in str(connection.settings_dict["NAME"]):
        pytest.skip("an in-memory SQLite database has one connection only")
    passed = []

    def request() -> None:
        passed.append(spend(subject="busy", limit=10, window_s=86_400).is_allowed)
        connection.close()

    threads = [threading.Thread(target=request) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert passed.count(True) == 10
