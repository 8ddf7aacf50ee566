"""Events: each exactly once, each with its own result, whatever else is in the batch."""

import json
import uuid

import pytest

from recommender.collect.models import Event, RejectedEvent
from tests import factories
from tests.api.conftest import Api, assert_conforms, key_for

RATING = {"type": "rating", "user": "u1", "item": "f1", "value": 4.5}


def test_a_batch_is_answered_with_a_result_per_event(api, items):
    good, bad = {**RATING, "event_id": str(uuid.uuid4())}, {"type": "rating", "user": "u1"}
    response = api.post("events", {"events": [good, bad, 7, good]})
    answer = response.json()
    assert_conforms(answer, "EventsOutput")
    assert response.status_code == 202
    assert [result["status"] for result in answer["results"]] == [
        *("accepted", "rejected", "rejected", "duplicate"),
    ]
    assert [result["index"] for result in answer["results"]] == [0, 1, 2, 3]
    assert (answer["accepted"], answer["duplicates"], answer["rejected"]) == (1, 1, 2)


def test_three_bad_events_do_not_sink_997_good_ones(api, items):
    batch = [{**RATING, "event_id": str(uuid.UUID(int=n))} for n in range(1000)]
    batch[3]["value"], batch[500]["item"], batch[999]["typ"] = 99, "nothing", 1
    answer = api.post("events", {"events": batch}).json()
    wrong = {r["index"]: r["code"] for r in answer["results"] if r["status"] == "rejected"}
    assert answer["accepted"] == Event.objects.count() == 997
    assert wrong == {3: "bad_value", 500: "unknown_item", 999: "unknown_field"}


def test_tokens_of_a_list_come_back_as_clicks(api, items):
    token = api.get("recommendations?user=u1").json()["items"][1]["token"]
    answer = api.post(
        "events", {"events": [{"type": "view", "token": token}, {"type": "click", "token": token}]}
    ).json()
    assert answer["accepted"] == 2
    click = Event.objects.get(type="click")
    assert (click.position, click.user.external_id) == (2, "u1")
    assert Event.objects.filter(type="impression").count() == 1  # `view` is its alias


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t[:-1] + "A" if t[-1] != "A" else t[:-1] + "B",
        lambda t: "A" * 46,
        lambda t: "x",
        lambda t: t + t,
    ],
)
def test_a_forged_token_never_counts(change, api, items):
    token = api.get("recommendations?user=u1").json()["items"][0]["token"]
    result = api.post("events", {"type": "click", "token": change(token)}).json()["results"][0]
    assert (result["status"], result["code"]) == ("rejected", "forged_token")
    assert not Event.objects.exists()


def test_a_token_of_another_catalog_never_counts(api, items):
    token = api.get("recommendations?user=u1").json()["items"][0]["token"]
    other = key_for(factories.make_catalog())
    result = other.post("events", {"type": "click", "token": token}).json()["results"][0]
    assert (result["status"], result["code"]) == ("rejected", "foreign_token")


def test_an_event_id_with_another_body_is_a_conflict(api, items):
    named = {**RATING, "event_id": str(uuid.uuid4())}
    api.post("events", named)
    alone = api.post("events", {**named, "value": 1.0})
    assert (alone.status_code, alone.json()["type"][-15:]) == (409, "event_conflict/")
    within = api.post("events", {"events": [{**named, "value": 1.0}]}).json()["results"][0]
    assert (within["status"], within["code"]) == ("rejected", "conflict")


def test_the_first_event_of_a_person_creates_them(api, items):
    assert api.get("users/u1").status_code == 404
    api.post("events", RATING)
    assert api.get("users/u1").json()["rating_count"] == 1


def test_an_undo_takes_back_what_it_names(api, items):
    named = {**RATING, "event_id": str(uuid.uuid4())}
    api.post("events", named)
    answer = api.post("events", {"type": "undo", "user": "u1", "undoes": named["event_id"]}).json()
    assert answer["accepted"] == 1
    assert api.get("users/u1").json()["rating_count"] == 0


@pytest.mark.parametrize(
    ("event", "pointer", "code"),
    [
        ({}, "/type", "required"),
        ({"type": ""}, "/type", "required"),
        ({"type": 7}, "/type", "invalid"),
        ({"type": "click", "event_id": "abc"}, "/event_id", "invalid"),
        ({"type": "click", "value": "4"}, "/value", "invalid"),
        ({"type": "click", "value": True}, "/value", "invalid"),
        ({"type": "click", "item": ["f1"]}, "/item", "invalid"),
        ({"type": "click", "occurred_at": "yesterday"}, "/occurred_at", "invalid"),
        ({"type": "click", "occurred_at": "2026-01-01T00:00:00"}, "/occurred_at", "invalid"),
        ({"type": "click", "position": 1}, "/position", "unknown_field"),
        ({"type": "click", "propensity": 0.1}, "/propensity", "unknown_field"),
    ],
)
def test_a_single_misshapen_event_is_refused_by_name(event, pointer, code, api):
    response = api.post("events", event)
    error = response.json()["errors"][0]
    assert (response.status_code, error["pointer"], error["code"]) == (400, pointer, code)


@pytest.mark.parametrize(
    "body", [[], [RATING], "x", None, {"events": {}}, {"events": None}, {"events": [], "more": 1}]
)
def test_a_body_of_another_shape_is_refused(body, api):
    assert api.post("events", body).status_code == 400


def test_a_batch_of_more_than_1000_is_refused_whole(api, items):
    response = api.post("events", {"events": [RATING] * 1001})
    assert (response.status_code, response.json()["type"][-10:]) == (413, "too_large/")
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "raw",
    [
        b'{"type": "rating", "value": NaN}',
        b'{"type": "rating", "value": 1e999}',
        b'{"type": "\\ud800"}',
        b'{"type": "a\\u0000b"}',
        b"[" * 3000,
        b'{"a":' * 30 + b"1" + b"}" * 30,
        b"\xff\xfe",
        b"{'type': 'click'}",
    ],
)
def test_what_is_not_json_is_refused(raw, api):
    response = api.raw("events", raw, "application/json")
    assert (response.status_code, response.json()["type"][-13:]) == (400, "invalid_json/")


def test_a_beacon_carries_its_key_in_a_text_body(catalog, items):
    browser = key_for(catalog, "recommend", "events", kind="pk")
    token = browser.get("recommendations").json()["items"][0]["token"]
    body = json.dumps({"key": browser.key, "events": [{"type": "click", "token": token}]})
    response = Api(None).raw("events", body.encode(), "text/plain;charset=UTF-8")
    assert (response.status_code, response.json()["accepted"]) == (202, 1)
    assert Event.objects.get().source == "web"


def test_a_secret_key_in_a_body_does_not_count(api, items):
    body = json.dumps({"key": api.key, "events": []}).encode()
    assert Api(None).raw("events", body, "text/plain").status_code == 401
    assert Api(None).raw("events", body, "application/json").status_code == 401


def test_a_publishable_key_cannot_speak_for_a_user(catalog, items):
    browser = key_for(catalog, "events", kind="pk")
    alone = browser.post("events", RATING)
    assert (alone.status_code, alone.json()["type"][-15:]) == (403, "anonymous_only/")
    result = browser.post("events", {"events": [RATING]}).json()["results"][0]
    assert (result["status"], result["code"]) == ("rejected", "anonymous_only")


def test_a_session_of_a_browser_is_one_visitor(catalog, items):
    browser = key_for(catalog, "events", kind="pk")
    for item in ("f1", "f2"):
        browser.post("events", {"type": "click", "item": item, "session_id": "random-1"})
    assert Event.objects.values("user").distinct().count() == 1
    assert Event.objects.first().user.external_id.startswith("visitor:")


def test_ingest_answers_503_and_never_202_when_the_database_is_away(api, items, monkeypatch):
    from django.db import OperationalError

    def fall(**_rest):
        raise OperationalError("server closed the connection")

    monkeypatch.setattr("recommender.api.events.record_events", fall)
    response = api.post("events", RATING)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "connection" not in response.json()["detail"]


def test_what_was_refused_is_kept_for_the_operator(api, items):
    api.post("events", {"events": [{"type": "click", "extra": 1}, 7, RATING | {"value": 99}]})
    kept = RejectedEvent.objects.order_by("pk").values_list("code", "payload")
    assert [code for code, _payload in kept] == ["unknown_field", "invalid", "bad_value"]
    assert kept[0][1] == '{"type":"click","extra":1}'
