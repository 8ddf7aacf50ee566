"""Settings that a catalog adopts, by API: taken from a search, listed, undone."""

import pytest

from recommender.train.adopted import adopted_settings
from recommender.train.models import Search, SettingsChange, TrainingRun
from tests import factories
from tests.api.conftest import assert_conforms, key_for

FOUND = {"shrinkage": 3.0}


@pytest.fixture
def search(catalog) -> TrainingRun:
    run = factories.make_run(catalog, model="item_knn", mode="search", state="done")
    Search.objects.create(run=run, budget_s=60, max_trials=5, report={"settings": FOUND})
    return run


def test_what_a_search_found_is_adopted_and_the_next_training_uses_it(api, catalog, search):
    assert api.get("training-settings").json() == {"settings": []}
    response = api.post(f"training-runs/{search.pk}:adopt", {"reason": "proven"})
    assert response.status_code == 200
    assert_conforms(response.json(), "ChangeOutput")
    answer = response.json()
    assert (answer["model"], answer["before"], answer["after"]) == ("item_knn", {}, FOUND)
    assert (answer["run"], answer["actor"], answer["reason"]) == (
        str(search.pk),
        api.key[:11],
        "proven",
    )
    listed = api.get("training-settings").json()
    assert_conforms(listed, "TrainingSettingsOutput")
    assert listed == {"settings": [answer]}
    made = api.post("training-runs", {"model": "item_knn"}).json()
    assert TrainingRun.objects.get(pk=made["id"]).config == FOUND


def test_an_undo_goes_back_and_is_logged(api, catalog, search):
    api.send("POST", f"training-runs/{search.pk}:adopt")
    response = api.send("POST", "training-settings/item_knn:undo")
    assert (response.status_code, response.json()["after"]) == (200, {})
    assert_conforms(response.json(), "ChangeOutput")
    assert response.json()["run"] is None
    assert adopted_settings(catalog, "item_knn") == {}
    assert SettingsChange.objects.count() == 2
    assert [one["after"] for one in api.get("training-settings").json()["settings"]] == [{}]


def test_each_model_is_listed_once_by_name(api, catalog, search):
    for model, after in (("slit", {"fade": 0.9}), ("item_knn", {}), ("slit", {"fade": 0.8})):
        SettingsChange.objects.create(
            catalog=catalog, model=model, after=after, actor="ann", created_at=factories.START
        )
    listed = api.get("training-settings").json()["settings"]
    assert [(one["model"], one["after"]) for one in listed] == [
        ("item_knn", {}),
        ("slit", {"fade": 0.8}),
    ]


def test_what_cannot_be_adopted_or_undone_is_refused(api, catalog, search):
    training = factories.make_run(catalog, state="ready")
    assert api.send("POST", f"training-runs/{training.pk}:adopt").status_code == 409
    assert api.send("POST", "training-settings/item_knn:undo").status_code == 409
    assert api.send("POST", "training-settings/nothing:undo").status_code == 404
    api.send("POST", f"training-runs/{search.pk}:adopt")
    assert api.send("POST", f"training-runs/{search.pk}:adopt").status_code == 409
    assert SettingsChange.objects.count() == 1


def test_keys_that_may_not_operate_or_are_of_another_catalog_change_nothing(catalog, search):
    reader = key_for(catalog, "read", "write", "recommend", "events")
    stranger = key_for(factories.make_catalog())
    assert reader.send("POST", f"training-runs/{search.pk}:adopt").status_code == 403
    assert reader.send("POST", "training-settings/item_knn:undo").status_code == 403
    assert reader.get("training-settings").status_code == 200
    assert stranger.send("POST", f"training-runs/{search.pk}:adopt").status_code == 404
    assert not SettingsChange.objects.exists()
