"""Settings that a catalog adopts: what trains with them, and how that is undone."""

import pytest

from recommender.errors import BadData, Refused
from recommender.train import adopted
from recommender.train.adopted import adopt, adopted_settings, undo
from recommender.train.models import Search, SettingsChange, TrainingRun
from recommender.train.services import cancel_run, request_run, retry_run
from tests.factories import make_catalog, make_run, make_version

pytestmark = pytest.mark.django_db


def searched(catalog, settings: dict, *, state: str = "done") -> TrainingRun:
    run = make_run(catalog, model="item_knn", mode="search", state=state)
    report = {"settings": settings} if state == "done" else None
    Search.objects.create(run=run, budget_s=60, max_trials=5, report=report)
    return run


def config_of(catalog, **options) -> dict:
    run = request_run(catalog=catalog, **options)
    cancel_run(run=run)
    return run.config


def test_full_trainings_use_what_was_adopted_and_other_models_do_not():
    catalog, other = make_catalog(), make_catalog()
    adopt(run=searched(catalog, {"shrinkage": 3.0}), actor="ann")
    assert config_of(catalog, model="item_knn", seed=7) == {"shrinkage": 3.0}
    assert config_of(catalog, model="popularity") == {}
    assert config_of(other, model="item_knn") == {}


def test_options_that_are_named_stand_alone():
    catalog = make_catalog()
    adopt(run=searched(catalog, {"shrinkage": 3.0}), actor="ann")
    assert config_of(catalog, model="item_knn", config={"n_neighbors": 9}) == {"n_neighbors": 9}
    assert config_of(catalog, model="item_knn", config={}) == {}


def test_a_retry_repeats_what_the_run_trained_with():
    catalog = make_catalog()
    plain = make_run(catalog, state="failed", model="item_knn", seed=4)
    adopt(run=searched(catalog, {"shrinkage": 3.0}), actor="ann")
    again = retry_run(run=plain)
    assert (again.config, again.seed) == ({}, 4)


def test_a_training_from_the_live_version_keeps_that_versions_settings():
    catalog = make_catalog()
    live = make_version(catalog, state="live", model="item_knn")
    make_run(
        catalog, state="ready", model="item_knn", model_version=live, config={"shrinkage": 9.0}
    )
    adopt(run=searched(catalog, {"shrinkage": 3.0}), actor="ann")
    assert config_of(catalog, model="item_knn", mode="incremental") == {"shrinkage": 9.0}


def test_an_undo_brings_back_what_was_before_and_is_itself_undone():
    catalog = make_catalog()
    adopt(run=searched(catalog, {"shrinkage": 3.0}), actor="ann")
    adopt(run=searched(catalog, {"shrinkage": 5.0}), actor="bob")
    back = undo(catalog=catalog, model="item_knn", actor="cid", reason="worse")
    assert (back.before, back.after, back.actor) == ({"shrinkage": 5.0}, {"shrinkage": 3.0}, "cid")
    assert adopted_settings(catalog, "item_knn") == {"shrinkage": 3.0}
    undo(catalog=catalog, model="item_knn", actor="cid")
    assert adopted_settings(catalog, "item_knn") == {"shrinkage": 5.0}
    assert SettingsChange.objects.count() == 4


def test_the_same_settings_twice_are_refused_and_write_nothing():
    catalog = make_catalog()
    run = searched(catalog, {"shrinkage": 3.0})
    adopt(run=run, actor="ann")
    with pytest.raises(Refused, match="the settings of item_knn in this catalog already"):
        adopt(run=run, actor="ann")
    assert SettingsChange.objects.count() == 1


@pytest.mark.parametrize("state", ["training", "failed", "cancelled"])
def test_only_a_finished_search_has_settings_to_adopt(state):
    with pytest.raises(Refused, match="is no finished search"):
        adopt(run=searched(make_catalog(), {}, state=state), actor="ann")


def test_a_training_has_no_settings_to_adopt():
    with pytest.raises(Refused, match="is no finished search"):
        adopt(run=make_run(make_catalog(), state="ready"), actor="ann")


def test_what_was_never_changed_cannot_be_undone():
    with pytest.raises(Refused, match="slit trains with its defaults here"):
        undo(catalog=make_catalog(), model="slit", actor="ann")


def test_two_undos_of_one_change_are_one(monkeypatch):
    catalog = make_catalog()
    first = adopt(run=searched(catalog, {"shrinkage": 3.0}), actor="ann")
    undo(catalog=catalog, model="item_knn", actor="ann")
    answers = iter([first])
    whole = adopted.last_change
    monkeypatch.setattr(adopted, "last_change", lambda *asked: next(answers, None) or whole(*asked))
    with pytest.raises(Refused, match="Somebody else changed the settings of item_knn"):
        undo(catalog=catalog, model="item_knn", actor="bob")
    assert SettingsChange.objects.count() == 2


def test_an_option_that_the_program_lost_since_is_refused_in_words():
    catalog = make_catalog()
    adopt(run=searched(catalog, {"gone": 3.0}), actor="ann")
    with pytest.raises(BadData, match="item_knn has no option 'gone'"):
        request_run(catalog=catalog, model="item_knn")
