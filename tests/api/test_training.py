"""Training runs through the API: the row and its job come together, one at a time."""

import pytest

from recommender.jobs.models import Job
from recommender.train.models import Search, TrainingRun, Trial
from tests import factories
from tests.api.conftest import assert_conforms, key_for

FIELDS = [
    *("id", "state", "model", "mode", "epoch", "epochs", "progress", "metrics", "eta_s", "verdict"),
    *("teacher", "model_version", "error", "search"),
]


def test_a_run_is_queued_with_its_job(api):
    response = api.post("training-runs", {"model": "item_knn"})
    answer = response.json()
    assert_conforms(answer, "RunOutput")
    assert (response.status_code, answer["state"], list(answer)) == (202, "queued", FIELDS)
    assert api.get(response["Location"]).json() == answer
    job = Job.objects.get()
    assert (job.task, job.kwargs) == ("recommender.train", {"run_id": int(answer["id"])})
    assert job.dedup_key == f"run:{answer['id']}"


def test_an_empty_body_trains_the_default_model(api, catalog):
    assert api.send("POST", "training-runs").json()["model"] == catalog.default_model


def test_a_second_run_is_refused_naming_the_first(api):
    first = api.post("training-runs", {}).json()["id"]
    response = api.post("training-runs", {})
    assert (response.status_code, response.json()["type"][-8:]) == (409, "refused/")
    assert first in response.json()["detail"]
    assert (TrainingRun.objects.count(), Job.objects.count()) == (1, 1)


@pytest.mark.parametrize("body", [{"model": "magic"}, {"mode": "half"}, {"epochs": 3}])
def test_a_wrong_wish_is_refused(body, api):
    assert api.post("training-runs", body).status_code == 400
    assert not Job.objects.exists()


def test_a_queued_run_can_be_stopped(api):
    location = api.post("training-runs", {})["Location"]
    response = api.send("POST", f"{location}:cancel")
    assert (response.status_code, response.json()["state"]) == (202, "cancelled")
    assert api.send("POST", f"{location}:cancel").status_code == 409


@pytest.mark.parametrize("run", ["0", "999", "abc", "-1", "9" * 30, "٣"])
def test_a_run_that_is_not_there_is_missing(run, api):
    assert api.get(f"training-runs/{run}").status_code == 404


def test_a_run_of_another_catalog_is_missing(api):
    location = api.post("training-runs", {})["Location"]
    other = key_for(factories.make_catalog())
    assert other.get(location).status_code == 404
    assert other.send("POST", f"{location}:cancel").status_code == 404


def test_a_finished_run_names_its_version_and_verdict(api, catalog):
    version = factories.make_version(catalog, number=7)
    verdict = {"is_better": True, "sentence": "Better."}
    run = factories.make_run(
        catalog, state="ready", model_version=version, verdict=verdict, progress=1.0
    )
    answer = api.get(f"training-runs/{run.pk}").json()
    assert (answer["model_version"], answer["verdict"], answer["error"]) == ("v7", verdict, None)


SEARCH = {"mode": "search", "model": "item_knn", "minutes": 5}


def test_a_search_is_queued_as_a_run_with_its_budget(api):
    response = api.post("training-runs", SEARCH | {"max_trials": 9, "seed": 3})
    answer = response.json()
    assert_conforms(answer, "RunOutput")
    assert (response.status_code, answer["state"], answer["mode"]) == (202, "queued", "search")
    assert answer["search"] == {
        "budget_s": 300,
        "spent_s": 0.0,
        "max_trials": 9,
        "trials": 0,
        "best": None,
        "report": None,
    }
    assert TrainingRun.objects.get().seed == 3
    assert Job.objects.get().kwargs == {"run_id": int(answer["id"])}


def test_a_search_shows_its_best_trial_and_its_report(api):
    location = api.post("training-runs", SEARCH)["Location"]
    search = Search.objects.get()
    for number, value in ((1, 0.2), (2, 0.3), (3, None)):
        outcome = "failed" if value is None else "finished"
        settings = {"shrinkage": float(number)}
        Trial.objects.create(
            search=search,
            number=number,
            settings=settings,
            outcome=outcome,
            value=value,
            spent_s=1.0,
        )
    Search.objects.update(report={"trial": 2})
    answer = api.get(location).json()
    assert_conforms(answer, "RunOutput")
    found = answer["search"]
    assert (found["trials"], found["report"]) == (3, {"trial": 2})
    assert found["best"] == {"number": 2, "settings": {"shrinkage": 2.0}, "value": 0.3}


def test_a_search_and_a_training_keep_each_other_out(api):
    first = api.post("training-runs", SEARCH).json()["id"]
    for wish in (SEARCH, {}):
        response = api.post("training-runs", wish)
        assert response.status_code == 409
        assert first in response.json()["detail"]
    assert Search.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mode": "search"}, "minutes"),
        (SEARCH | {"minutes": 0}, "minutes"),
        (SEARCH | {"minutes": 121}, "minutes"),
        (SEARCH | {"minutes": "5"}, "minutes"),
        (SEARCH | {"minutes": True}, "minutes"),
        (SEARCH | {"minutes": 2.5}, "minutes"),
        (SEARCH | {"max_trials": 0}, "max_trials"),
        (SEARCH | {"seed": -1}, "seed"),
        ({"minutes": 5}, "minutes"),
        ({"mode": "full", "max_trials": 5}, "max_trials"),
    ],
)
def test_a_wrong_wish_for_a_search_names_the_field(body, field, api):
    response = api.post("training-runs", body)
    assert response.status_code == 400
    assert f"/{field}" in [error["pointer"] for error in response.json()["errors"]]
    assert not Search.objects.exists()


def test_a_training_has_no_search(api):
    assert api.post("training-runs", {}).json()["search"] is None


def test_the_seed_is_the_runs(api):
    api.post("training-runs", {"seed": 7})
    assert TrainingRun.objects.get().seed == 7


def test_a_run_takes_settings_and_a_teacher(api, catalog):
    factories.make_version(catalog, number=3, model="hybrid")
    wish = {"model": "transformer", "teacher": "v3", "settings": {"epochs": 4, "matryoshka": 1}}
    response = api.post("training-runs", wish)
    assert_conforms(response.json(), "RunOutput")
    assert (response.status_code, response.json()["teacher"]) == (202, "v3")
    run = TrainingRun.objects.get()
    assert run.config == {"epochs": 4, "matryoshka": 1, "embedding_size": 32}


@pytest.mark.parametrize(
    ("wish", "status", "words"),
    [
        ({"model": "transformer", "teacher": "v9"}, 404, "v9"),
        ({"model": "ease", "teacher": "v3"}, 400, "ease cannot learn from a teacher"),
        ({"model": "transformer", "settings": {"wings": 2}}, 400, "no option 'wings'"),
        ({"model": "transformer", "settings": {"epochs": "4"}}, 400, "option epochs is '4'"),
        ({"model": "transformer", "settings": [4]}, 400, "settings"),
        (SEARCH | {"teacher": "v3"}, 400, "A search chooses its settings"),
        (SEARCH | {"settings": {}}, 400, "A search chooses its settings"),
    ],
)
def test_a_teacher_or_setting_that_will_not_do_is_refused(wish, status, words, api, catalog):
    factories.make_version(catalog, number=3, model="hybrid")
    response = api.post("training-runs", wish)
    assert response.status_code == status
    assert words in response.content.decode()
    assert not TrainingRun.objects.exists()
