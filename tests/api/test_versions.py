"""Model versions: the list, the switch and the way back."""

import pytest

from recommender.promote.models import ModelVersion
from tests import factories
from tests.api.conftest import assert_conforms, key_for
from tests.serve.conftest import write_neighbors


@pytest.fixture
def versions(catalog, items, tmp_path):
    """Two versions with artifacts that load, the newer one live."""
    made = [
        factories.make_version(
            catalog,
            number=number,
            state=state,
            path=str(tmp_path / f"v{number}"),
            manifest_sha256=write_neighbors(tmp_path / f"v{number}", items, sign=sign).sha256,
            live_since=factories.START,
        )
        for number, state, sign in ((1, "retired", 1.0), (2, "live", -1.0))
    ]
    factories.make_evaluation(made[1])
    old, live = made
    promotion = {"actor": "gate", "reason": "better", "created_at": factories.START}
    catalog.promotions.create(version=old, action="promote", **promotion)
    catalog.promotions.create(version=live, previous=old, action="promote", **promotion)
    return old, live


def test_versions_are_listed_newest_first_with_their_figures(api, versions):
    answer = api.get("models").json()
    assert_conforms(answer, "ModelsOutput")
    assert [one["version"] for one in answer["models"]] == ["v2", "v1"]
    assert answer["models"][0]["metrics"]["ndcg@10"]["value"] == 0.12
    assert answer["models"][1]["metrics"] == {}


def test_new_users_and_new_items_are_told_beside_the_metrics(api, versions):
    found = {"items": {"n_users": 0}, "users": {"3": {"n_users": 7}}}
    factories.make_evaluation(versions[1], cold=found)
    answer = api.get("models").json()
    assert_conforms(answer, "ModelsOutput")
    assert [one["cold"] for one in answer["models"]] == [found, {}]


def test_a_list_tells_chances_where_the_live_version_has_them(api, versions, items, tmp_path):
    _old, live = versions
    folder = tmp_path / "with-chances"
    live.manifest_sha256 = write_neighbors(folder, items, chances=True).sha256
    live.path = str(folder)
    live.save(update_fields=["path", "manifest_sha256"])
    api.post("events", {"type": "rating", "user": "u1", "item": "f1", "value": 5.0})
    answer = api.get("recommendations?user=u1").json()
    assert_conforms(answer, "ListOutput")
    (chance,) = answer["items"][0]["chances"]
    assert (chance["kind"], chance["window_days"]) == ("click", 7.0)
    assert 0.01 <= chance["probability"] <= 0.5
    assert "are opened within 7 days of a visit" in chance["text"]


def test_pages_have_no_gap_when_versions_are_added_meanwhile(api, catalog):
    for number in range(1, 6):
        factories.make_version(catalog, number=number)
    first = api.get("models?limit=2")
    factories.make_version(catalog, number=6)
    seen = [one["version"] for one in first.json()["models"]]
    cursor = first.json()["next_cursor"]
    assert f"cursor={cursor}" in first["Link"]
    while cursor:
        page = api.get(f"models?limit=2&cursor={cursor}").json()
        seen += [one["version"] for one in page["models"]]
        cursor = page["next_cursor"]
    assert seen == ["v5", "v4", "v3", "v2", "v1"]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "cursor=xx", "cursor=%00", "page=2"])
def test_a_wrong_page_is_refused(query, api):
    assert api.get(f"models?{query}").status_code == 400


def test_a_promotion_switches_and_names_who_did_it(api, versions):
    old, _live = versions
    response = api.post("models/v1:promote", {"reason": "It was better", "force": True})
    assert response.status_code == 200
    assert_conforms(response.json(), "SwitchOutput")
    answer = response.json()
    assert (answer["version"], answer["previous"]) == ("v1", "v2")
    assert (answer["actor"], answer["reason"]) == (api.key[:11], "It was better")
    assert ModelVersion.objects.live().get() == old
    assert api.get("loop").json()["live_version"] == "v1"


def test_a_rollback_goes_back_to_the_version_before(api, versions):
    response = api.send("POST", "models:rollback")
    assert (response.status_code, response.json()["version"]) == (200, "v1")


def test_a_rollback_may_name_its_target(api, versions):
    assert api.post("models:rollback", {"to": "v1"}).json()["version"] == "v1"
    assert api.post("models:rollback", {"to": "v9"}).status_code == 404


def test_what_is_live_already_cannot_be_promoted(api, versions):
    response = api.post("models/v2:promote", {})
    assert (response.status_code, response.json()["type"][-8:]) == (409, "refused/")


@pytest.mark.parametrize("label", ["v9", "1", "v", "vv1", "v-1", "v" + "9" * 30, "v٣"])
def test_a_version_that_is_not_there_is_missing(label, api, versions):
    assert api.post(f"models/{label}:promote", {}).status_code == 404


def test_a_version_of_another_catalog_is_missing(versions):
    other = key_for(factories.make_catalog())
    assert other.post("models/v1:promote", {}).status_code == 404
    assert other.get("models").json()["models"] == []


def test_lists_and_predictions_come_from_the_version_that_is_live(api, versions):
    api.post("events", {"type": "rating", "user": "u1", "item": "f1", "value": 5.0})
    before = api.get("recommendations?user=u1&explain=1").json()
    assert (before["model_version"], before["strategy"]) == ("v2", "item_item")
    api.send("POST", "models:rollback")
    after = api.get("recommendations?user=u1&explain=1").json()
    assert (after["model_version"], after["personalised"]) == ("v1", True)
    for item in after["items"]:
        parts = item["explanation"]
        total = parts["bias"] + sum(part["weight"] for part in parts["contributions"])
        assert total == pytest.approx(item["score"], abs=1e-6)
