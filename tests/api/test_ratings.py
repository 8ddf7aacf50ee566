"""Ratings are events; the address of one is only a shorter way to say it."""

import pytest

from recommender.collect.models import Event
from tests import factories
from tests.api.conftest import assert_conforms, key_for

HERE = "users/u1/ratings/f1"


def test_a_rating_is_stored_and_read_back(api, items):
    assert api.put(HERE, {"value": 4.5}).status_code == 201
    answer = api.get(HERE).json()
    assert_conforms(answer, "RatingOutput")
    assert (answer["user"], answer["item"], answer["value"]) == ("u1", "f1", 4.5)


def test_the_same_rating_again_changes_nothing(api, items):
    api.put(HERE, {"value": 4.5})
    assert api.put(HERE, {"value": 4.5}).status_code == 200
    assert Event.objects.count() == 1


def test_another_rating_replaces_the_first(api, items):
    api.put(HERE, {"value": 4.5})
    assert api.put(HERE, {"value": 2.0}).json()["value"] == 2.0
    assert api.get("users/u1").json()["rating_count"] == 1


def test_a_rating_taken_back_is_gone_with_all_before_it(api, items):
    api.put(HERE, {"value": 4.5})
    api.put(HERE, {"value": 2.0})
    assert api.delete(HERE).status_code == 204
    assert api.get(HERE).status_code == 404
    assert api.get("users/u1").json()["rating_count"] == 0
    assert api.delete(HERE).status_code == 404


@pytest.mark.parametrize("value", [0, 0.4, 5.5, 4.3, -1, 1e300, "many", None, True])
def test_a_value_off_the_scale_is_refused(value, api, items):
    response = api.put(HERE, {"value": value})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (400, "/value")
    assert not Event.objects.exists()


def test_an_unknown_item_in_the_address_is_missing(api):
    assert api.put("users/u1/ratings/nothing", {"value": 4.0}).status_code == 404


def test_ratings_of_another_catalog_are_missing(api, items):
    api.put(HERE, {"value": 4.5})
    other = key_for(factories.make_catalog())
    assert other.get(HERE).status_code == other.delete(HERE).status_code == 404
    assert other.put(HERE, {"value": 4.0}).status_code == 404


def test_a_batch_stores_the_good_and_names_the_bad(api, items):
    batch = [
        {"user": "u1", "item": "f1", "value": 4.0, "occurred_at": "2026-11-01T00:00:00Z"},
        {"user": "u1", "item": "nothing", "value": 4.0},
        {"user": "u1", "item": "f2"},
        {"user": "u1", "item": "f3", "value": 9},
    ]
    response = api.post("ratings:batch", {"ratings": batch})
    assert_conforms(response.json(), "EventsOutput")
    codes = [result["code"] for result in response.json()["results"]]
    assert codes == [None, "unknown_item", "required", "bad_value"]
    assert api.get("users/u1").json()["rating_count"] == 1


def test_a_batch_may_come_as_lines(api, items):
    lines = b'{"user": "u1", "item": "f1", "value": 4}\n{"user": "u2", "item": "f1", "value": 3}'
    assert api.raw("ratings:batch", lines, "application/x-ndjson").json()["accepted"] == 2
