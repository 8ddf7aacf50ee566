import pytest

from recommender.errors import BadData, Refused
from recommender.ml import recipes
from recommender.train import lease as leases
from recommender.train.models import TrainingRun
from recommender.train.services import AlreadyActive, cancel_run, request_run, retry_run
from tests.factories import make_catalog, make_run, make_version

pytestmark = pytest.mark.django_db


def test_a_run_is_queued_with_the_catalogs_own_model():
    run = request_run(catalog=make_catalog(default_model="item_knn"), requested_by="ann")
    assert (run.state, run.model, run.mode, run.requested_by) == (
        "queued",
        "item_knn",
        "full",
        "ann",
    )


def test_a_second_request_is_refused_and_names_the_active_run():
    catalog = make_catalog()
    first = request_run(catalog=catalog)
    with pytest.raises(AlreadyActive, match=f"Run {first.pk} is already queued or at work") as no:
        request_run(catalog=catalog)
    assert no.value.run_id == first.pk
    assert TrainingRun.objects.count() == 1


@pytest.mark.parametrize("state", TrainingRun.ACTIVE)
def test_every_active_state_keeps_a_second_run_out(state):
    catalog = make_catalog()
    make_run(catalog, state=state)
    with pytest.raises(AlreadyActive):
        request_run(catalog=catalog)


def test_another_catalog_may_train_meanwhile():
    request_run(catalog=make_catalog())
    assert request_run(catalog=make_catalog()).state == "queued"


def test_an_unknown_model_mode_or_option_is_told_with_what_exists():
    catalog = make_catalog()
    with pytest.raises(BadData, match="model is 'bert'; expected one of item_knn"):
        request_run(catalog=catalog, model="bert")
    with pytest.raises(BadData, match="mode is 'half'; expected one of full, incremental"):
        request_run(catalog=catalog, mode="half")
    with pytest.raises(BadData, match="item_knn has no option 'wings'"):
        request_run(catalog=catalog, model="item_knn", config={"wings": 2})


@pytest.mark.parametrize(
    ("value", "fits"), [(3, True), (True, False), ("3", False), (3.5, False), (None, False)]
)
def test_an_option_must_be_like_its_default(monkeypatch, value, fits):
    recipe = recipes.Recipe(
        "item_knn", "item_item", "x", is_sequential=False, is_fast=True, defaults={"n": 5}
    )
    monkeypatch.setattr("recommender.train.services.RECIPES", {"item_knn": recipe})
    wanted = {"catalog": make_catalog(), "model": "item_knn", "config": {"n": value}}
    if fits:
        assert request_run(**wanted).config == {"n": 3}
    else:
        with pytest.raises(BadData, match=r"option n is .*; expected something like 5"):
            request_run(**wanted)


def test_a_seed_may_be_given_and_is_kept_apart_from_the_models_options():
    run = request_run(catalog=make_catalog(), config={"seed": 7})
    assert (run.seed, run.config) == (7, {})


def test_an_incremental_run_starts_from_the_live_version_of_the_same_model():
    catalog = make_catalog()
    with pytest.raises(Refused, match="no live version of item_knn exists to start from"):
        request_run(catalog=catalog, model="item_knn", mode="incremental")
    live = make_version(catalog, state="live", model="item_knn")
    assert request_run(catalog=catalog, model="item_knn", mode="incremental").base_version == live


def test_a_full_run_starts_from_nothing():
    catalog = make_catalog()
    make_version(catalog, state="live", model="item_knn")
    assert request_run(catalog=catalog, model="item_knn").base_version is None


def test_a_queued_run_is_cancelled_at_once():
    run = cancel_run(run=request_run(catalog=make_catalog()))
    assert run.state == "cancelled"
    assert run.finished_at is not None
    assert leases.claim(run_id=run.pk, owner="job 1") is None


def test_a_working_run_is_asked_to_stop():
    run = request_run(catalog=make_catalog())
    leases.claim(run_id=run.pk, owner="job 1")
    assert cancel_run(run=run).cancel_requested
    run.refresh_from_db()
    assert run.state == "loading"


def test_a_finished_run_cannot_be_stopped():
    run = make_run(make_catalog(), state="ready")
    with pytest.raises(Refused, match=f"Run {run.pk} is ready already; there is nothing to stop"):
        cancel_run(run=run)


def test_a_failed_run_is_tried_again_with_the_same_parameters():
    run = make_run(make_catalog(), state="failed", seed=9, model="popularity")
    again = retry_run(run=run, requested_by="ann")
    assert (again.model, again.config, again.seed, again.trigger) == (
        "popularity",
        run.config,
        9,
        "retry",
    )
    with pytest.raises(AlreadyActive):
        retry_run(run=again)
