"""Lists: one answer shape, and questions that are checked before anything is read."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recommender.collect.models import Impression, Slate, User
from tests import factories
from tests.api.conftest import assert_conforms, key_for

FIELDS = [
    *("slate_id", "model_version", "strategy", "personalised", "experiment", "items"),
    "next_cursor",
]
ITEM_FIELDS = [
    *("item", "position", "score", "propensity", "predicted_rating", "reasons", "token"),
]


def test_a_list_has_every_documented_field_in_order(api, items):
    answer = api.get("recommendations?user=u1&limit=3").json()
    assert_conforms(answer, "ListOutput")
    assert list(answer) == FIELDS
    assert list(answer["items"][0]) == ITEM_FIELDS
    assert [item["position"] for item in answer["items"]] == [1, 2, 3]


def test_an_unknown_user_gets_a_cold_start_list_and_a_row(api, items):
    answer = api.get("recommendations?user=newcomer").json()
    assert (answer["strategy"], answer["personalised"]) == ("cold_start", False)
    assert len(answer["items"]) == 6
    assert Slate.objects.get().user.external_id == "newcomer"


def test_explain_adds_parts_that_sum_to_the_score(api, items):
    for item in api.get("recommendations?user=u1&explain=1").json()["items"]:
        parts = item["explanation"]
        total = parts["bias"] + sum(part["weight"] for part in parts["contributions"])
        assert total == pytest.approx(item["score"], abs=1e-6)
        assert "uncertainty" in item


def test_pages_of_one_list_never_repeat_an_item(api, items):
    first = api.get("recommendations?user=u1&limit=4")
    assert first["Link"].endswith('>; rel="next"')
    address = first["Link"].split(">")[0].removeprefix("<http://testserver")
    second = api.get(address).json()
    assert second["next_cursor"] is None
    assert [item["position"] for item in second["items"]] == [5, 6]
    shown = [i["item"] for i in first.json()["items"] + second["items"]]
    assert len(set(shown)) == 6


def test_personalization_can_be_switched_off_per_request(api, items):
    answer = api.get("recommendations?user=u1&personalised=false").json()
    assert (answer["strategy"], answer["personalised"]) == ("popular", False)


def test_a_filter_narrows_the_list(api, catalog, items):
    factories.make_item(catalog, external_id="comedy", categories=["Comedy"])
    answer = api.get("recommendations?filter=category:Comedy").json()
    assert [item["item"] for item in answer["items"]] == ["comedy"]


def test_similar_rank_and_search_give_the_same_answer_shape(api, items):
    answers = [
        api.get("items/f1/similar?limit=2").json(),
        api.get("search?q=film&limit=2").json(),
        api.post("rank", {"user": "u1", "items": ["f2", "f0"]}).json(),
    ]
    assert [list(answer) for answer in answers] == [FIELDS] * 3
    assert [answer["strategy"] for answer in answers][:2] == ["similar", "search"]
    assert {item["item"] for item in answers[2]["items"]} == {"f2", "f0"}
    assert "f1" not in [item["item"] for item in answers[0]["items"]]


def test_items_of_another_catalog_do_not_exist(catalog, items):
    other = key_for(factories.make_catalog())
    assert other.get("items/f1/similar").status_code == 404
    assert other.post("rank", {"items": ["f1"]}).status_code == 400


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("limit=0", "/limit", "out_of_range"),
        ("limit=101", "/limit", "out_of_range"),
        ("limit=1e9", "/limit", "out_of_range"),
        ("limit=-1", "/limit", "out_of_range"),
        ("limit=%D9%A1", "/limit", "out_of_range"),  # a digit, but not an ASCII one
        ("limit=" + "9" * 4000, "/limit", "out_of_range"),
        ("explain=perhaps", "/explain", "invalid"),
        ("personalized=0", "/personalized", "unknown_field"),  # our spelling is the other one
        ("filter=Drama", "/filter", "invalid"),
        ("surface=HOME", "/surface", "invalid"),
        ("user=" + "u" * 201, "/user", "too_long"),
        ("cursor=" + "c" * 2001, "/cursor", "too_long"),
    ],
)
def test_a_wrong_question_is_refused_by_name(query, field, code, api):
    response = api.get(f"recommendations?{query}")
    error = response.json()["errors"][0]
    assert response.status_code == 400
    assert (error["pointer"], error["location"], error["code"]) == (field, "query", code)


def test_a_cursor_that_is_not_ours_is_refused(api, items):
    assert api.get("recommendations?cursor=bm90LW91cnM").status_code == 400


@pytest.mark.parametrize("query", ["", "q=", "q=%20", "q=" + "x" * 201])
def test_a_search_needs_a_text(query, api):
    assert api.get(f"search?{query}").json()["errors"][0]["pointer"] == "/q"


@pytest.mark.parametrize(
    "body", [{}, {"items": []}, {"items": ["f1", "f1"]}, {"items": ["f1"] * 501}, {"items": "f1"}]
)
def test_rank_needs_one_to_500_different_items(body, api, items):
    response = api.post("rank", body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"].startswith("/items")


def test_a_publishable_key_serves_anonymous_visitors_only(catalog, items):
    browser = key_for(catalog, "recommend", kind="pk")
    assert browser.get("recommendations").status_code == 200
    for response in (
        browser.get("recommendations?user=u1"),
        browser.post("rank", {"user": "u1", "items": ["f1"]}),
    ):
        assert (response.status_code, response.json()["type"][-15:]) == (403, "anonymous_only/")


def test_a_browser_session_is_one_person_whose_id_is_not_kept(catalog, items):
    browser = key_for(catalog, "recommend", kind="pk")
    for _ in range(2):
        browser.get("recommendations?session_id=random-id-1")
    assert User.objects.count() == 1
    assert "random-id-1" not in User.objects.get().external_id


def test_a_shadow_read_leaves_no_trace(api, items, settings):
    settings.SIM_CLOCK = True
    answer = api.get("recommendations?user=u1&shadow=greedy").json()
    assert_conforms(answer, "ListOutput")
    assert (len(answer["items"]), answer["slate_id"]) == (6, None)
    assert not (Slate.objects.exists() or Impression.objects.exists() or User.objects.exists())


def test_a_shadow_read_does_not_exist_without_flag_and_operator(api, catalog, items, settings):
    assert api.get("recommendations?shadow=greedy").status_code == 404
    settings.SIM_CLOCK = True
    reader = key_for(catalog, "recommend")
    assert reader.get("recommendations?shadow=greedy").status_code == 404
    assert api.get("recommendations?shadow=other").status_code == 400


def test_reasons_follow_the_language(api, items):
    answers = [
        api.get("recommendations", **{"Accept-Language": language})["Content-Language"]
        for language in ("en", "zh-Hans")
    ]
    assert answers == ["en", "zh-hans"]


def test_the_hot_path_reads_with_one_statement(api, items):
    api.get("recommendations?user=u1")
    with CaptureQueriesContext(connection) as queries:
        api.get("recommendations?user=u1")
    reads = [q for q in queries.captured_queries if q["sql"].lstrip().startswith("SELECT")]
    assert len(reads) == 1


def test_the_pipeline_lists_its_stages_in_order(api):
    answer = api.get("pipeline").json()
    assert_conforms(answer, "PipelineOutput")
    assert answer["stages"][0]["name"] == "filters"
