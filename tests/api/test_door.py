"""The conventions of the protocol, the same behind every address."""

import gzip
import json

import pytest

from recsite import settings as project
from tests.api.conftest import MIDDLEWARE, Api, assert_conforms, key_for

EVENTS = b'{"events": []}'
BAD_REQUESTS = {
    "unknown path": (404, "not_found", lambda a: a.get("nothing-here")),
    "unknown path outside v1": (404, "not_found", lambda a: a.get("/api/v2/items")),
    "trailing slash": (404, "not_found", lambda a: a.get("items/f1/")),
    "wrong method": (405, "method_not_allowed", lambda a: a.delete("recommendations")),
    "unwanted answer": (406, "not_acceptable", lambda a: a.get("loop", Accept="text/html")),
    "no json": (400, "invalid_json", lambda a: a.raw("events", b"{", "application/json")),
    "wrong type": (415, "unsupported_media_type", lambda a: a.raw("events", b"<a/>", "text/xml")),
    "packed body": (
        415,
        "unsupported_media_type",
        lambda a: a.raw(
            "events", gzip.compress(EVENTS), "application/json", **{"Content-Encoding": "gzip"}
        ),
    ),
    "no key": (401, "unauthorized", lambda a: Api(None).get("loop")),
    "wrong key": (401, "unauthorized", lambda a: Api("sk_nobody").get("loop")),
    "unknown field": (400, "invalid_input", lambda a: a.put("items/x", {"titel": "A"})),
    "wrong limit": (400, "invalid_input", lambda a: a.get("recommendations?limit=1e9")),
    "NUL in the address": (400, "bad_request", lambda a: a.get("items/a%00b")),
    "NUL in the query": (400, "bad_request", lambda a: a.get("recommendations?user=%00")),
    "forged host": (400, "bad_request", lambda a: a.get("loop", Host="evil.example")),
    "too large": (
        413,
        "too_large",
        lambda a: a.raw("events", b" " * 2_097_153, "application/json"),
    ),
    "foreign object": (404, "not_found", lambda a: a.get("items/not-mine")),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_every_failure_is_a_problem_that_explains_itself(name, api):
    status, code, send = BAD_REQUESTS[name]
    response = send(api)
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    body = response.json()
    assert_conforms(body, "ProblemOutput")
    assert body["status"] == status
    assert body["type"].endswith(f"/api/problems/{code}/")
    assert body["request_id"] == response["X-Request-Id"]
    assert "Traceback" not in response.content.decode()
    path = body["type"].removeprefix("http://testserver")
    assert Api(None).get(path).status_code == 200


def test_a_defect_of_ours_is_a_problem_without_a_stack_trace(api, monkeypatch):
    def fall(catalog):
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("recommender.api.health.loop", fall)
    api.client.raise_request_exception = False
    response = api.get("loop")
    assert (response.status_code, response["Content-Type"]) == (500, "application/problem+json")
    assert response.json()["type"].endswith("/server_error/")
    assert b"secret" not in response.content


def test_a_wrong_method_names_the_right_ones(api):
    assert api.delete("recommendations")["Allow"] == "GET, OPTIONS"
    assert api.post("items/f1", {})["Allow"] == "DELETE, GET, OPTIONS, PUT"


def test_details_follow_the_language_of_the_request(api, monkeypatch):
    monkeypatch.setattr("recommender.api.errors._", lambda text: f"[{text}]")
    assert api.get("nothing-here").json()["detail"].startswith("[")
    assert (
        api.get("nothing-here", **{"Accept-Language": "zh-Hans"})["Content-Language"] == "zh-hans"
    )


def test_the_request_id_of_the_caller_is_echoed(api):
    response = api.get("loop", **{"X-Request-Id": "from-the-caller-1"})
    assert response["X-Request-Id"] == "from-the-caller-1"
    assert response["Server-Timing"].startswith("rec;dur=")


def test_a_resource_that_did_not_change_is_answered_304(api, items):
    first = api.get("items/f1")
    again = api.get("items/f1", **{"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first["Cache-Control"].startswith("private")
    api.put("items/f1", {"title": "Another"})
    assert api.get("items/f1", **{"If-None-Match": first["ETag"]}).status_code == 200


def test_lists_are_never_stored(api, items):
    assert api.get("recommendations")["Cache-Control"] == "no-store"
    assert "ETag" not in api.get("recommendations").headers


def test_head_answers_like_get_without_a_body(api, items):
    response = api.send("HEAD", "items/f1")
    assert (response.status_code, response.content) == (200, b"")
    assert response["ETag"] == api.get("items/f1")["ETag"]


def test_a_page_from_an_allowed_origin_may_read_answers(catalog, items):
    api = key_for(catalog, "recommend", kind="pk", origins=["https://shop.example"])
    response = api.get("recommendations", Origin="https://shop.example")
    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Origin" in response["Vary"]


def test_a_page_from_another_origin_may_not(catalog, items):
    api = key_for(catalog, "recommend", kind="pk", origins=["https://shop.example"])
    response = api.get("recommendations", Origin="https://evil.example")
    assert (response.status_code, response.json()["type"][-15:]) == (403, "foreign_origin/")
    assert "Access-Control-Allow-Origin" not in response.headers


def test_a_secret_key_gets_no_cors_headers(api, items):
    response = api.get("recommendations", Origin="https://shop.example")
    assert "Access-Control-Allow-Origin" not in response.headers


def test_the_preflight_knows_the_origins_of_all_keys(catalog):
    key_for(catalog, "events", kind="pk", origins=["https://shop.example"])
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    allowed = Api(None).send("OPTIONS", "events", **asked)
    assert allowed["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Idempotency-Key" in allowed["Access-Control-Allow-Headers"]
    foreign = Api(None).send("OPTIONS", "events", Origin="https://evil.example")
    assert "Access-Control-Allow-Origin" not in foreign.headers
    operator_only = Api(None).send("OPTIONS", "clock", **asked)
    assert "Access-Control-Allow-Origin" not in operator_only.headers


def test_long_answers_are_packed_for_those_who_ask(api, items):
    plain = api.get("recommendations?user=u1&limit=6&explain=1")
    packed = api.get("recommendations?user=u1&limit=6&explain=1", **{"Accept-Encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip"
    assert len(packed.content) < len(plain.content) / 2
    assert len(json.loads(gzip.decompress(packed.content))["items"]) == 6
    short = api.get("health/live", **{"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in short.headers


def test_the_site_is_started_with_the_middleware_that_words_failures():
    names = project.MIDDLEWARE
    after = names.index("django.middleware.locale.LocaleMiddleware")
    assert names[after + 1] == MIDDLEWARE, "add it right after LocaleMiddleware"
