"""Step 4 of the story: three calls with a key, and the clicks that come back."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.browser.conftest import Client

pytestmark = pytest.mark.story


def recommendations(api: Client, user: str, **parameters: Any) -> dict[str, Any]:
    query = "&".join(f"{name}={value}" for name, value in ({"user": user} | parameters).items())
    answer = api("GET", f"/api/v1/recommendations?{query}")
    assert answer.status == 200, answer.text
    body: dict[str, Any] = answer.json
    return body


def views_and_clicks(api: Client) -> dict[str, tuple[int, int]]:
    today = datetime.now(UTC).date()
    answer = api("GET", f"/api/v1/metrics?from={today}&to={today + timedelta(days=1)}&by=version")
    assert answer.status == 200, answer.text
    return {str(row["key"]): (row["views"], row["clicks"]) for row in answer.json["series"]}


def test_three_calls_give_a_list_and_clicks_come_back_under_its_version(api: Client) -> None:
    put = api("PUT", "/api/v1/items/story-1", {"title": "The Story", "categories": ["Drama"]})
    assert put.status in (200, 201), put.text
    user = f"story-{uuid.uuid4().hex[:8]}"
    events = [
        {"event_id": str(uuid.uuid4()), "type": "rating", "user": user, "item": item, "value": 5}
        for item in ("50", "172", "181")
    ]
    sent = api("POST", "/api/v1/events", {"events": events})
    assert (sent.status, sent.json["accepted"]) == (202, 3), sent.text
    body = recommendations(api, user, limit=10)
    assert len(body["items"]) == 10
    assert [item["position"] for item in body["items"]] == list(range(1, 11))
    assert not {"50", "172", "181"} & {item["item"] for item in body["items"]}
    for item in body["items"]:
        assert set(item) >= {
            "item",
            "position",
            "score",
            "propensity",
            "predicted_rating",
            "reasons",
            "token",
        }
        assert 0 < item["propensity"] <= 1
    before = views_and_clicks(api).get(str(body["model_version"]), (0, 0))
    signals = [
        {"event_id": str(uuid.uuid4()), "type": kind, "token": body["items"][0]["token"]}
        for kind in ("impression", "click")
    ]
    sent = api("POST", "/api/v1/events", {"events": signals})
    assert (sent.status, sent.json["accepted"]) == (202, 2), sent.text
    after = views_and_clicks(api)[str(body["model_version"])]
    assert after == (before[0] + 1, before[1] + 1)


def test_a_rating_changes_the_very_next_list(api: Client) -> None:
    user = f"story-{uuid.uuid4().hex[:8]}"
    for item in ("50", "172", "181"):
        api("PUT", f"/api/v1/users/{user}/ratings/{item}", {"value": 5})
    before = recommendations(api, user, limit=20)
    started = time.monotonic()
    chosen = before["items"][0]["item"]
    sent = api(
        "POST", "/api/v1/events", {"type": "rating", "user": user, "item": chosen, "value": 5}
    )
    assert sent.status == 202, sent.text
    after = recommendations(api, user, limit=20)
    spent = time.monotonic() - started
    ids = [[item["item"] for item in body["items"]] for body in (before, after)]
    assert chosen not in ids[1]
    assert ids[0] != ids[1]
    print(f"\nreaction over the API: {spent * 1000:.0f} ms")


def test_contributions_add_up_to_the_score(api: Client) -> None:
    body = recommendations(api, "1", limit=5, explain=1)
    for item in body["items"]:
        parts = item["explanation"]
        total = parts["bias"] + sum(part["weight"] for part in parts["contributions"])
        assert abs(total - item["score"]) < 1e-6


def test_a_forged_token_is_refused_by_name(api: Client) -> None:
    token = recommendations(api, "1", limit=1)["items"][0]["token"]
    forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    answer = api("POST", "/api/v1/events", {"type": "click", "token": forged})
    assert answer.json["results"][0]["status"] == "rejected"
    assert answer.json["results"][0]["code"] == "forged_token"


def test_a_wrong_key_gets_a_problem_document(api: Client) -> None:
    answer = api("GET", "/api/v1/models", Authorization="Bearer sk_wrong")
    assert answer.status == 401
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json["status"] == 401


def test_the_clock_is_not_there_without_the_boot_flag(api: Client) -> None:
    assert api("PUT", "/api/v1/clock", {"now": "2100-01-01T00:00:00Z"}).status == 404
