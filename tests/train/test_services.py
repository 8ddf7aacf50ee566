import pytest

from recommender.errors import BadData, Refused
from recommender.ml import recipes
from recommender.train import lease as leases
from recommender.train.models import Search, TrainingRun
from recommender.train.services import (
    AlreadyActive,
    SearchWish,
    cancel_run,
    request_run,
    request_search,
    retry_run,
    train_found,
)
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
    with pytest.raises(BadData, match=r"model is 'bert'; expected one of .*content"):
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


WISH = SearchWish(minutes=5, model="item_knn", max_trials=20, seed=3)


def test_a_search_is_a_run_with_a_budget():
    run = request_search(catalog=make_catalog(), wish=WISH, requested_by="ann")
    assert (run.state, run.mode, run.model, run.seed) == ("queued", "search", "item_knn", 3)
    assert (run.search.budget_s, run.search.max_trials, run.search.spent_s) == (300, 20, 0.0)


def test_a_search_without_a_model_takes_the_catalogs_own():
    catalog = make_catalog(default_model="popularity")
    assert request_search(catalog=catalog, wish=SearchWish(minutes=1)).model == "popularity"


@pytest.mark.parametrize("state", TrainingRun.ACTIVE)
def test_two_searches_or_a_search_and_a_training_do_not_run_at_once(state):
    catalog = make_catalog()
    active = make_run(catalog, state=state, mode="search")
    with pytest.raises(AlreadyActive, match=f"Run {active.pk} is already"):
        request_search(catalog=catalog, wish=WISH)
    with pytest.raises(AlreadyActive):
        request_run(catalog=catalog)
    assert Search.objects.count() == 0


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (SearchWish(minutes=0, model="item_knn"), "minutes is 0; expected a whole number from 1"),
        (SearchWish(minutes=121, model="item_knn"), r"minutes is 121; .* to 120"),
        (SearchWish(minutes=5, model="item_knn", max_trials=0), "max_trials is 0"),
        (SearchWish(minutes=5, model="bert"), "model is 'bert'; expected one of"),
    ],
)
def test_a_wish_out_of_bounds_is_refused_with_the_bounds(wish, message):
    with pytest.raises(BadData, match=message):
        request_search(catalog=make_catalog(), wish=wish)
    assert not TrainingRun.objects.exists()


def test_a_model_with_nothing_to_search_is_refused_naming_others(monkeypatch):
    from recommender.train import services

    monkeypatch.setattr(services, "SPACES", {"popularity": {}, "item_knn": {"shrinkage": None}})
    with pytest.raises(BadData, match=r"popularity has no settings to search; .* item_knn"):
        request_search(catalog=make_catalog(), wish=SearchWish(minutes=1, model="popularity"))


def test_a_retried_search_has_the_same_budget_and_no_trials():
    run = request_search(catalog=make_catalog(), wish=WISH)
    cancel_run(run=run)
    again = retry_run(run=run, requested_by="bea")
    assert (again.mode, again.model, again.seed, again.trigger) == (
        "search",
        "item_knn",
        3,
        "retry",
    )
    assert (again.search.budget_s, again.search.max_trials) == (300, 20)
    assert again.search != run.search


def test_an_unfinished_search_and_a_training_have_no_settings_to_train_with():
    catalog = make_catalog()
    search = request_search(catalog=catalog, wish=WISH)
    with pytest.raises(Refused, match=f"Run {search.pk} is no finished search"):
        train_found(run=search)
    cancel_run(run=search)
    with pytest.raises(Refused, match="is no finished search"):
        train_found(run=make_run(catalog, state="ready"))


def test_the_found_settings_are_queued_with_the_searchs_seed():
    run = request_search(catalog=make_catalog(), wish=WISH)
    Search.objects.update(report={"settings": {"shrinkage": 3.0}})
    TrainingRun.objects.update(state="done")
    run.refresh_from_db()
    made = train_found(run=run, requested_by="ann")
    assert (made.mode, made.config, made.seed) == ("full", {"shrinkage": 3.0}, 3)
    assert (made.trigger, made.model) == ("search", "item_knn")


@pytest.mark.parametrize(
    ("teacher", "width", "student", "config", "expected"),
    [
        ("transformer", {}, "transformer", {}, 32),  # half of the default 64
        ("hybrid", {"embedding_size": 128}, "transformer", {}, 64),
        ("matrix_factorization", {"embedding_size": 22}, "transformer", {}, 10),  # heads: 2
        ("hybrid", {}, "two_tower", {"embedding_size": 48}, 48),  # as told
        ("ease", {}, "transformer", {}, None),  # no width to halve
    ],
)
def test_a_student_is_half_as_wide_as_its_teacher(teacher, width, student, config, expected):
    catalog = make_catalog()
    version = make_version(catalog, model=teacher, config=width)
    run = request_run(catalog=catalog, model=student, config=config, teacher=version)
    assert (run.teacher, run.config.get("embedding_size")) == (version, expected)


def test_a_teacher_that_cannot_teach_or_a_model_that_cannot_learn_is_refused():
    catalog = make_catalog()
    teacher = make_version(catalog, model="transformer", state="live")
    with pytest.raises(BadData, match="ease cannot learn from a teacher; these can: caser, hybrid"):
        request_run(catalog=catalog, model="ease", teacher=teacher)
    with pytest.raises(BadData, match="A teacher needs mode full; incremental goes on"):
        request_run(catalog=catalog, model="transformer", mode="incremental", teacher=teacher)
    teacher.broken_reason = "gone"
    with pytest.raises(Refused, match=r"v\d+ cannot teach: gone"):
        request_run(catalog=catalog, model="transformer", teacher=teacher)


def test_a_retry_keeps_its_teacher():
    catalog = make_catalog()
    teacher = make_version(catalog, model="transformer")
    run = request_run(catalog=catalog, model="transformer", teacher=teacher)
    run = cancel_run(run=run)
    again = retry_run(run=run)
    assert (again.teacher, again.config) == (teacher, run.config)
