"""The search for settings, on a world with a planted answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recommender import clock, loop, tasks
from recommender.errors import NotReady
from recommender.ml.progress import TrainingError
from recommender.prepare.services import freeze, open_snapshot
from recommender.promote.models import ModelVersion
from recommender.train import lease as leases
from recommender.train import search as searching
from recommender.train.models import Search, TrainingRun, Trial
from recommender.train.services import SearchWish, cancel_run, request_search, train_found
from tests.train.fashion import make_fashion
from tests.train.world import make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def catalog(settings, tmp_path):
    settings.ARTIFACTS_DIR = tmp_path / "artifacts"
    settings.SNAPSHOTS_DIR = tmp_path / "snapshots"
    return make_fashion()


class FakeClock:
    """Ten seconds pass whenever somebody looks."""

    def __init__(self, step: float = 10.0) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def ask(catalog, model="popularity", **wish) -> TrainingRun:
    wish = {"minutes": 60, "max_trials": 12} | wish
    return request_search(catalog=catalog, wish=SearchWish(model=model, **wish))


def trials(run) -> list[tuple]:
    return [(t.number, t.settings, t.outcome, t.value) for t in run.search.trials.in_order()]


def take_over(run, owner="job 1"):
    """Claim a run, as a worker does, after the one before fell silent."""
    TrainingRun.objects.filter(pk=run.pk).update(lease_expires_at="2020-01-01T00:00:00+00:00")
    lease = leases.claim(run_id=run.pk, owner=owner)
    assert lease
    return lease


def test_it_finds_the_planted_setting_and_proves_it_on_the_third_window(catalog):
    run = tasks.run_now(ask(catalog).pk)
    assert (run.state, run.error, run.progress, run.epoch) == ("done", "", 1.0, 12)
    report = run.search.report
    assert report["settings"]["half_life_scale"] < 0.2
    assert report["difference"]["low"] > 0
    assert report["found"]["value"] > report["defaults"]["value"] + 0.03
    assert report["n_users"] == report["difference"]["n"] == 30
    best = run.search.trials.best()
    assert (report["trial"], report["settings"]) == (best.number, best.settings)


def test_the_first_trial_is_the_defaults(catalog):
    run = tasks.run_now(ask(catalog, max_trials=1).pk)
    assert run.search.trials.get().settings == {"half_life_scale": 1.0}


def test_where_nothing_beats_the_defaults_there_is_no_difference(catalog):
    report = tasks.run_now(ask(catalog, max_trials=1).pk).search.report
    assert (report["trial"], report["found"], report["difference"]) == (1, None, None)
    assert report["defaults"]["n"] == 30


def test_it_makes_no_version(catalog):
    run = tasks.run_now(ask(catalog, max_trials=2).pk)
    assert run.model_version is None
    assert not ModelVersion.objects.exists()


def test_the_found_settings_can_be_trained_and_go_through_the_gate(catalog):
    run = tasks.run_now(ask(catalog).pk)
    trained = tasks.run_now(train_found(run=run, requested_by="ann").pk)
    assert (trained.mode, trained.trigger, trained.requested_by) == ("full", "search", "ann")
    assert trained.config == run.search.report["settings"]
    assert trained.model_version.config["half_life_scale"] < 0.2


def test_the_same_seed_gives_the_same_trials_and_another_one_others(catalog):
    first = tasks.run_now(ask(catalog, "matrix_factorization", max_trials=7, seed=4).pk)
    again = tasks.run_now(ask(catalog, "matrix_factorization", max_trials=7, seed=4).pk)
    other = tasks.run_now(ask(catalog, "matrix_factorization", max_trials=2, seed=5).pk)
    assert len(trials(first)) == 7
    assert trials(first) == trials(again)
    assert trials(other)[1][1] != trials(first)[1][1]


def test_nothing_after_the_split_reaches_a_trial(catalog):
    """The proof: other events in the third window, and the trials are the same to the last bit."""
    opened = open_snapshot(freeze(catalog=catalog, until=clock.now()))
    data = opened.interactions
    is_third = data.time >= opened.split_at
    rng = np.random.default_rng(1)
    scrambled = replace(
        data,
        item=np.where(is_third, rng.permutation(data.item), data.item),
        weight=np.where(is_third, 0.0, data.weight),
    )
    assert is_third.sum() > 50
    found = []
    for interactions in (data, scrambled):
        run = ask(catalog, "item_knn", max_trials=6)
        with leases.Heart(take_over(run)) as heart:
            searching.search(
                run=run, opened=replace(opened, interactions=interactions), heart=heart
            )
        found.append(trials(run))
        cancel_run(run=run)
        TrainingRun.objects.filter(pk=run.pk).update(state="cancelled")
    assert found[0] == found[1]


def test_the_third_window_is_opened_once_and_after_the_last_trial(catalog, monkeypatch):
    from recommender.evaluate import third

    opened_at, real = [], third.open_window

    def spy(*arguments):
        opened_at.append(Trial.objects.count())
        return real(*arguments)

    monkeypatch.setattr(third, "open_window", spy)
    tasks.run_now(ask(catalog, max_trials=5).pk)
    assert opened_at == [5]


def test_the_budget_ends_the_search(catalog):
    run = ask(catalog, minutes=2)
    opened = open_snapshot(freeze(catalog=catalog, until=clock.now()))
    with leases.Heart(take_over(run)) as heart:
        searching.search(run=run, opened=opened, heart=heart, clock=FakeClock())
    search = Search.objects.get()
    assert 2 <= search.trials.count() < 12
    assert 120 <= search.spent_s <= 170
    assert sum(trial.spent_s for trial in search.trials.all()) <= search.spent_s


def test_time_spent_before_a_resume_counts(catalog):
    run = ask(catalog, minutes=2)
    Search.objects.update(spent_s=110.0)
    run.refresh_from_db()
    opened = open_snapshot(freeze(catalog=catalog, until=clock.now()))
    with leases.Heart(take_over(run)) as heart:
        searching.search(run=run, opened=opened, heart=heart, clock=FakeClock(5.0))
    search = Search.objects.get()
    assert search.trials.count() == 1
    assert 120 <= search.spent_s <= 140


def test_with_the_budget_spent_a_resume_tries_nothing(catalog):
    run = ask(catalog, minutes=2)
    Search.objects.update(spent_s=120.0)
    run.refresh_from_db()
    opened = open_snapshot(freeze(catalog=catalog, until=clock.now()))
    with leases.Heart(take_over(run)) as heart, pytest.raises(NotReady, match="Not even one"):
        searching.search(run=run, opened=opened, heart=heart, clock=FakeClock())
    assert not Trial.objects.exists()


def test_a_trial_cut_off_by_the_budget_leaves_no_row(catalog):
    run = ask(catalog, "matrix_factorization", minutes=1)
    opened = open_snapshot(freeze(catalog=catalog, until=clock.now()))
    with leases.Heart(take_over(run)) as heart, pytest.raises(NotReady, match="within 1 min"):
        searching.search(run=run, opened=opened, heart=heart, clock=FakeClock())
    assert not Trial.objects.exists()


def test_a_stop_ends_it_and_keeps_the_finished_trials(catalog, monkeypatch):
    monkeypatch.setattr(leases, "CANCEL_CHECK_S", 0.0)
    run, real = ask(catalog), searching.add_trial

    def stop_after_two(**given):
        real(**given)
        if given["trial"].number == 2:
            cancel_run(run=TrainingRun.objects.get(pk=run.pk))

    monkeypatch.setattr(searching, "add_trial", stop_after_two)
    done = tasks.run_now(run.pk)
    assert (done.state, done.search.report) == ("cancelled", None)
    assert [trial[0] for trial in trials(done)] == [1, 2]


def test_settings_that_break_a_training_are_a_failed_trial(catalog, monkeypatch):
    real = searching._train

    def fragile(task, trial, *rest):
        if trial.number == 2:
            raise TrainingError("the loss is NaN")
        return real(task, trial, *rest)

    monkeypatch.setattr(searching, "_train", fragile)
    run = tasks.run_now(ask(catalog, max_trials=3).pk)
    second = run.search.trials.get(number=2)
    assert (run.state, second.outcome, second.value) == ("done", "failed", None)
    assert second.error == "the loss is NaN"


def test_defaults_that_cannot_be_trained_fail_the_search(catalog, monkeypatch):
    def fragile(*_):
        raise TrainingError("the loss is NaN")

    monkeypatch.setattr(searching, "_train", fragile)
    run = tasks.run_now(ask(catalog).pk)
    assert (run.state, run.error) == ("failed", "TrainingError: the loss is NaN")


def test_a_hopeless_trial_is_stopped_early(catalog, monkeypatch):
    real = searching.Proposal.is_hopeless

    def judge(proposal, epoch, value):
        return real(proposal, epoch, value) or (epoch == 3 and proposal.settings["alpha"] != 3.0)

    monkeypatch.setattr(searching.Proposal, "is_hopeless", judge)
    run = tasks.run_now(ask(catalog, "matrix_factorization", max_trials=3).pk)
    rows = list(run.search.trials.in_order())
    assert [trial.outcome for trial in rows] == ["finished", "pruned", "pruned"]
    assert [len(trial.by_epoch) for trial in rows] == [8, 3, 3]
    assert [trial.value is None for trial in rows] == [False, True, True]


def test_without_anybody_to_judge_it_says_so(settings, tmp_path):
    settings.SNAPSHOTS_DIR = tmp_path
    run = tasks.run_now(ask(make_world(n_users=2, n_items=2, slug="none")).pk)
    assert run.state == "failed"
    assert "Nobody took anything new in the validation window" in run.error


def test_a_search_that_lost_its_run_writes_no_report(catalog, monkeypatch):
    run, real = ask(catalog, max_trials=2), loop.judge_on_third_window

    def slow(**given):
        TrainingRun.objects.filter(pk=run.pk).update(fence=7, lease_owner="job 2")
        return real(**given)

    monkeypatch.setattr(loop, "judge_on_third_window", slow)
    done = tasks.run_now(run.pk)
    assert (done.lease_owner, done.search.report) == ("job 2", None)
