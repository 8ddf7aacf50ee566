"""The data page: sentences for each fault, the tail of refusals, keys, the inspector."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from recommender.accounts.models import ApiKey
from recommender.catalog.models import ImportRun
from recommender.collect.models import RejectedEvent
from recommender.dashboard import findings, queries_data
from recommender.dashboard.queries_data import DataFacts
from recommender.dashboard.queries_traffic import window_of
from recommender.errors import NotReady
from recommender.serve import services as serve
from recommender.serve.answers import HistoryLine, Trace, TracedItem, TracedList, WhyNot
from tests.dashboard.world import NOW, World
from tests.factories import make_account, make_event, make_user


def refuse(world: World, code: str, payload: str = "{}") -> None:
    RejectedEvent.objects.create(
        catalog=world.catalog, received_at=NOW, code=code, detail=f"because {code}", payload=payload
    )


def facts(**fields: object) -> DataFacts:
    fine: dict[str, object] = {
        "items": 100,
        "items_hidden": 0,
        "items_untouched": 0,
        "users": 2_000,
        "users_with_two": 2_000,
        "interactions": 60_000,
        "imported": 0,
        "duplicates_imported": 0,
        "clicks": 10,
        "clicks_with_token": 10,
        "late": 0,
        "clamped": 0,
        "item_events": 100,
        "rejected": {},
    }
    return DataFacts(**(fine | fields))  # type: ignore[arg-type]


def test_fine_data_says_nothing():
    assert findings.about_data(facts()) == []


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"rejected": {"unknown_item": 100}}, "50.0 % of events name an item of the catalog"),
        ({"rejected": {"conflict": 2}}, "2 events were refused: conflict."),
        ({"clamped": 1}, "1 event had a time outside the allowed range"),
        ({"rejected": {"bad_value": 1}}, "1 event was refused: bad_value."),
        ({"clicks_with_token": 4}, "40.0 % of clicks carry a valid token"),
        ({"interactions": 240}, "Interactions: 240 / 1,000."),
        ({"users_with_two": 12}, "Users with at least two interactions: 12 / 25."),
        ({"late": 3}, "3 events came more than a day late."),
        ({"items_untouched": 7}, "7 of 100 items have no interaction"),
    ],
)
def test_each_fault_has_its_sentence(fault: dict[str, object], sentence: str):
    told = [finding.text for finding in findings.about_data(facts(**fault))]
    assert any(text.startswith(sentence) for text in told), told


def test_the_worst_comes_first():
    found = findings.about_data(facts(interactions=1, late=1, clamped=1))
    assert [finding.severity for finding in found] == ["bad", "warn", "info"]


def test_five_faults_give_five_sentences_on_the_page(world: World, ops: Client):
    refuse(world, "unknown_item")
    refuse(world, "conflict")
    refuse(world, "bad_value")
    make_event(world.users[0], world.items[0], "click", at=NOW, clock_skew_s=9_000.0)
    page = ops.get("/ops/data/").content.decode()
    for sentence in (
        "of events name an item of the catalog",
        "refused: conflict",
        "refused: bad_value",
        "outside the allowed range",
        "of clicks carry a valid token",
    ):
        assert sentence in page, sentence


def test_only_times_that_were_moved_count_as_outside_the_range(world: World):
    for skew_s in (-2_592_001.0, -2_591_999.0, -3.0, 299.0, 301.0):
        make_event(world.users[0], world.items[0], "click", at=NOW, clock_skew_s=skew_s)
    assert queries_data.data_facts(window_of(world.catalog, 28, NOW)).clamped == 2


def test_counts_equal_the_rows(world: World):
    make_user(world.catalog)
    found = queries_data.data_facts(window_of(world.catalog, 28, NOW))
    # 15 clicks and 4 ratings; each user has at least two, the new one has none.
    assert (found.interactions, found.users, found.users_with_two) == (19, 5, 4)
    assert (found.clicks, found.clicks_with_token) == (15, 15)
    assert (found.items, found.items_untouched) == (6, 5)
    assert found.joined_share == 1.0


def test_facts_cost_seven_queries(world: World, django_assert_num_queries):
    with django_assert_num_queries(7):
        queries_data.data_facts(window_of(world.catalog, 28, NOW))


def test_volume_by_type_adds_up(world: World):
    counts = queries_data.events_by_type(window_of(world.catalog, 28, NOW))
    assert sum(row.count for row in counts if row.type == "impression") == 72


def test_the_tail_shows_payload_and_reason_escaped(world: World, ops: Client):
    refuse(world, "bad_value", '{"item": "<script>alert(1)</script>"}')
    page = ops.get("/ops/data/events/").content.decode()
    assert "because bad_value" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def test_the_tail_is_filtered_by_reason(world: World, ops: Client):
    refuse(world, "bad_value")
    refuse(world, "conflict")
    page = ops.get("/ops/data/events/?code=conflict").content.decode()
    assert "because conflict" in page
    assert "because bad_value" not in page


def test_imports_are_listed(world: World, ops: Client):
    ImportRun.objects.create(
        catalog=world.catalog,
        kind="events",
        format="csv",
        source="mine.csv",
        sha256="0" * 64,
        duplicates=12,
        started_at=NOW,
        updated_at=NOW,
    )
    page = ops.get("/ops/data/").content.decode()
    assert "mine.csv" in page
    assert "12 imported rows were duplicates" in page


def test_a_key_is_shown_once(world: World, ops: Client):
    made = ops.post("/ops/keys/", {"name": "shop", "kind": "sk", "scopes": ["recommend"]})
    key = ApiKey.objects.get()
    text = made.content.decode()
    plaintext = text[text.index("sk_") :].split("<")[0]
    start = text.index('class="plaintext">') + len('class="plaintext">')
    plaintext = text[start:].split("<")[0]
    assert plaintext.startswith(key.prefix)
    assert len(plaintext) == 46  # sk_ and 32 bytes in base64url
    assert plaintext not in ops.get("/ops/keys/").content.decode()
    assert key.scopes == ["recommend"]


def test_a_key_needs_a_name_and_fitting_scopes(world: World, ops: Client):
    nameless = ops.post("/ops/keys/", {"name": " ", "kind": "sk", "scopes": ["read"]})
    assert "The name is empty" in nameless.content.decode()
    too_much = ops.post("/ops/keys/", {"name": "x", "kind": "pk", "scopes": ["write"]})
    assert "write" in too_much.content.decode()
    assert ApiKey.objects.count() == 0


def test_a_key_is_revoked_by_one_post(world: World, ops: Client):
    ops.post("/ops/keys/", {"name": "shop", "kind": "sk", "scopes": ["recommend"]})
    key = ApiKey.objects.get()
    ops.post(f"/ops/keys/{key.pk}/revoke/")
    key.refresh_from_db()
    assert key.revoked_at == NOW
    assert ops.post("/ops/keys/999/revoke/").status_code == 404


@pytest.fixture
def traced(world: World, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    asked: list[dict[str, object]] = []
    title = "<b>Bold</b>"

    def trace(**given: object) -> Trace:
        asked.append(given)
        item = TracedItem(1, 5, "i5", title, 0.5, 3, moved=2)
        return Trace(
            user="u1",
            history=(HistoryLine(5, "i5", title, "rating", 5.0, 0.41, NOW),),
            lists=(
                TracedList("v2", 2, "item_item", (item,)),
                TracedList("v1", 1, "item_item", (), error="the artifact is gone"),
            ),
            why_not=WhyNot("i9", "Nine", "candidates", False, 412, 300, 0.1, {}),
        )

    monkeypatch.setattr(serve, "trace", trace)
    return asked


def test_the_inspector_asks_for_user_versions_and_item(world: World, ops: Client, traced):
    user = world.users[0]
    page = ops.get(f"/ops/inspect/?user={user.external_id}&a=v2&b=1&item=i9").content.decode()
    (asked,) = traced
    assert (asked["user"], asked["version"], asked["other"]) == (user, world.live, world.first)
    assert asked["item"] == "i9"
    for text in ("&lt;b&gt;Bold", "0.41", "↑2", "412", "300", "the artifact is gone"):
        assert text in page, text
    assert "<b>Bold" not in page


def test_an_account_name_finds_its_user(world: World, ops: Client, traced):
    account = make_account(username="anna")
    user = make_user(world.catalog, account=account)
    ops.get("/ops/inspect/?user=anna")
    assert traced[0]["user"] == user


def test_an_unknown_user_gets_the_list_of_a_new_visitor(world: World, ops: Client, traced):
    page = ops.get("/ops/inspect/?user=nobody").content.decode()
    assert traced[0]["user"] is None
    assert "There is no user “nobody”" in page


def test_a_trace_that_fails_says_why(world: World, ops: Client, monkeypatch):
    def fail(**given: object) -> Trace:
        raise NotReady("Nothing was trained yet.")

    monkeypatch.setattr(serve, "trace", fail)
    assert "Nothing was trained yet." in ops.get("/ops/inspect/?item=i1").content.decode()


def test_late_events_are_counted(world: World):
    make_event(world.users[0], world.items[0], at=NOW - timedelta(days=3), received_at=NOW)
    assert queries_data.data_facts(window_of(world.catalog, 28, NOW)).late == 1
