from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender import clock
from recommender.train.trigger import News, consider_catalog, count_positives, reason_to_train
from tests.factories import (
    START,
    make_catalog,
    make_event,
    make_item,
    make_run,
    make_snapshot,
    make_user,
    make_version,
)

HOUR = timedelta(hours=1)
AT = START + timedelta(days=11)


def news(**changes) -> News:
    fields = {"n_events": 500, "n_trained_on": 1_000, "age": HOUR, "since_last_run": HOUR}
    return News(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "events"),
        ({"n_events": 499}, ""),
        ({"n_trained_on": 20_000, "n_events": 999}, ""),  # 5 % of 20,000 is 1,000
        ({"n_trained_on": 20_000, "n_events": 1_000}, "events"),
        ({"n_events": 1, "age": timedelta(hours=24)}, "age"),
        ({"n_events": 0, "age": timedelta(days=30)}, ""),
        ({"since_last_run": timedelta(minutes=9)}, ""),
    ],
)
def test_a_run_is_due_when_there_is_news_enough(changes, reason):
    assert reason_to_train(news(**changes)) == reason


@given(n=st.integers(0, 10**6), age_h=st.integers(0, 1000))
def test_nothing_new_never_triggers_and_a_pause_is_always_kept(n, age_h):
    age = timedelta(hours=age_h)
    assert reason_to_train(news(n_events=0, age=age)) == ""
    assert reason_to_train(news(n_events=n, age=age, since_last_run=HOUR / 7)) == ""


@pytest.fixture
def catalog(db):
    made = make_catalog()
    snapshot = make_snapshot(made, watermark_to=START + timedelta(days=10))
    live = make_version(made, state="live", snapshot=snapshot)
    make_run(
        made, state="ready", model_version=live, finished_at=START + timedelta(days=10), seed=3
    )
    return made


def test_an_old_model_with_one_new_event_is_refreshed_from_the_live_version(catalog):
    make_event(make_user(catalog), make_item(catalog), at=START + timedelta(days=10, hours=1))
    with clock.at(AT):
        run = consider_catalog(catalog=catalog)
    assert run is not None
    assert (run.trigger, run.mode, run.model) == ("age", "incremental", "item_knn")
    assert run.base_version == catalog.versions.live().get()


def test_without_news_nothing_is_queued(catalog):
    with clock.at(AT):
        assert consider_catalog(catalog=catalog) is None


def test_a_catalog_that_never_ran_waits_for_a_person(db):
    catalog = make_catalog()
    make_version(catalog, state="live")
    with clock.at(AT):
        assert consider_catalog(catalog=catalog) is None


def test_an_active_run_is_not_joined_by_another(catalog):
    make_event(make_user(catalog), make_item(catalog), at=AT)
    make_run(catalog, state="queued")
    with clock.at(AT):
        assert consider_catalog(catalog=catalog) is None


def test_only_standing_events_that_teach_something_are_counted(catalog):
    user, item = make_user(catalog), make_item(catalog)
    rating = make_event(user, item, "rating", at=AT)
    make_event(user, item, "click", at=AT)
    make_event(user, item, "impression", at=AT)
    make_event(user, item, "dismiss", at=AT)
    make_event(user, item, "like", at=START)
    assert count_positives(catalog, since=START + timedelta(days=10)) == 2
    make_event(user, None, "undo", target=rating, at=AT)
    assert count_positives(catalog, since=START + timedelta(days=10)) == 1
