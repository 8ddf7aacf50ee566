"""Idempotency-Key: the three cases, and what is kept."""

import pytest

from recommender.accounts.models import IdempotentReply
from recommender.collect.models import Event
from tests.api.conftest import key_for

EVENT = {"type": "rating", "user": "u1", "item": "f1", "value": 4.0}
NAMED = {"Idempotency-Key": "order-1"}


def test_a_repeat_gets_the_first_answer_byte_for_byte(api, items):
    first = api.post("events", EVENT, **NAMED)
    again = api.post("events", EVENT, **NAMED)
    assert (again.status_code, again.content) == (202, first.content)
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert Event.objects.count() == 1


def test_another_body_under_the_same_name_is_refused(api, items):
    api.post("events", EVENT, **NAMED)
    response = api.post("events", {**EVENT, "value": 3.0}, **NAMED)
    assert (response.status_code, response.json()["type"][-21:]) == (422, "idempotency_mismatch/")


def test_another_address_under_the_same_name_is_refused(api, items):
    api.post("events", EVENT, **NAMED)
    assert api.post("ratings:batch", EVENT, **NAMED).status_code == 422


def test_a_repeat_while_the_first_is_at_work_is_told_to_wait(api, items):
    api.post("events", EVENT, **NAMED)
    IdempotentReply.objects.update(status=None)
    response = api.post("events", EVENT, **NAMED)
    assert (response.status_code, response["Retry-After"]) == (409, "1")


def test_names_belong_to_the_key_that_used_them(api, catalog, items):
    api.post("events", EVENT, **NAMED)
    other = key_for(catalog, "events")
    assert "Idempotent-Replayed" not in other.post("events", EVENT, **NAMED).headers


def test_a_refusal_is_kept_too(api, items):
    first = api.post("events", {"type": "click", "extra": 1}, **NAMED)
    again = api.post("events", {"type": "click", "extra": 1}, **NAMED)
    assert (first.status_code, again.content) == (400, first.content)
    assert again["Content-Type"] == "application/problem+json"


def test_a_defect_of_ours_lets_the_name_go(api, items, monkeypatch):
    def fall(**_rest):
        raise ZeroDivisionError

    api.client.raise_request_exception = False
    with monkeypatch.context() as patch:
        patch.setattr("recommender.api.events.record_events", fall)
        assert api.post("events", EVENT, **NAMED).status_code == 500
    assert api.post("events", EVENT, **NAMED).status_code == 202


@pytest.mark.parametrize("name", ["", "a b", "x" * 256, "é"])
def test_a_name_that_is_no_name_is_refused(name, api, items):
    response = api.post("events", EVENT, **{"Idempotency-Key": name})
    assert response.status_code == 400
    assert response.json()["errors"][0]["location"] == "header"
