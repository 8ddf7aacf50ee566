import math
from pathlib import Path

import numpy as np
import pytest

from recommender import tasks
from recommender.promote import evidence
from recommender.promote.gates import decide
from recommender.promote.models import ModelVersion
from recommender.train.services import request_run
from tests.factories import make_evaluation
from tests.train.world import make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(settings, tmp_path) -> ModelVersion:
    """Return the live item-kNN of a tiny world, with its real evaluation."""
    settings.ARTIFACTS_DIR = tmp_path / "artifacts"
    settings.SNAPSHOTS_DIR = tmp_path / "snapshots"
    run = tasks.run_now(request_run(catalog=make_world(), model="item_knn").pk)
    return run.model_version


def collect(version: ModelVersion, champion: ModelVersion | None = None) -> evidence.Evidence:
    evaluation = version.evaluations.order_by("-id").first()
    return evidence.collect(version=version, champion=champion, evaluation=evaluation)


def test_a_whole_artifact_gives_lists_for_twenty_people_and_no_fault(version):
    found = collect(version)
    assert found.artifact_fault == ""
    assert len(found.lists) == 20
    assert found.against_champion is None
    assert found.against_popularity.low > 0


def test_against_itself_the_difference_is_read_from_the_evaluation(version):
    figure = {"value": 0.01, "low": -0.02, "high": 0.04, "n": 9}
    made = make_evaluation(
        version, paired={"ndcg@10": figure}, baselines={"champion": {"coverage@10": figure}}
    )
    found = collect(version, champion=version)
    assert found.champion_ndcg == pytest.approx(0.12 - 0.01)
    assert found.champion_coverage == 0.01
    assert made.pk


@pytest.mark.parametrize("file", ["popularity.npy", "indices.npy", "manifest.json"])
def test_one_flipped_bit_anywhere_is_a_fault_that_names_the_file(version, file):
    path = Path(version.path) / file
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    found = collect(version)
    assert file in found.artifact_fault
    assert not decide(found).is_better


def test_another_models_whole_artifact_is_a_fault_too(version):
    version.manifest_sha256 = "0" * 64
    assert "manifest.json" in collect(version).artifact_fault


def test_scores_that_are_no_numbers_are_a_fault(version, monkeypatch):
    monkeypatch.setattr(evidence, "scores", lambda model, opened: np.full((3, 5), np.nan))
    assert collect(version).artifact_fault == "some scores are NaN or infinite"


def test_what_the_evaluation_saw_of_all_people_counts_as_well(version):
    make_evaluation(version, metrics={"finite_scores": {"value": 0.0}})
    assert collect(version).artifact_fault == "some scores are NaN or infinite"


def test_a_second_load_with_other_scores_is_a_fault(version, monkeypatch):
    answers = iter([np.zeros((3, 5)), np.ones((3, 5))])
    monkeypatch.setattr(evidence, "scores", lambda model, opened: next(answers))
    assert collect(version).artifact_fault == "a second load gave other scores"


def test_the_champions_coverage_is_that_of_its_own_evaluation_when_not_measured_beside(version):
    made = make_evaluation(version, metrics={"coverage@10": {"value": 0.3}})
    assert evidence.champion_coverage(version, made) == 0.3
    version.evaluations.all().delete()
    assert evidence.champion_coverage(version, made) is None


def test_undefined_figures_are_nan_and_absent_ones_nothing():
    assert math.isnan(evidence.figure({"x": {"value": None}}, "x"))
    assert math.isnan(evidence.figure({}, "x"))
    assert evidence.interval(None) is None
    assert math.isnan(evidence.interval({"value": 1, "low": None, "high": 2}).low)


def report(**paired):
    figure = {"value": 0.4, "low": 0.3, "high": 0.5, "n": 30}
    table = {"ndcg@10": figure, "auc": figure}
    baselines = {"champion": table, "popularity": {name: figure | {"value": 0.2} for name in table}}
    return {"n_users": 30, "metrics": table, "baselines": baselines, "paired": paired}


def test_newcomers_after_three_events_and_new_items_are_read_beside_the_champion(version):
    low, high = ({"value": v, "low": v - 0.1, "high": v + 0.1, "n": 30} for v in (-0.2, 0.2))
    cold = {
        "items": report(**{"auc": low, "auc:popularity": high}),
        "users": {"1": report(**{"ndcg@10": high}), "3": report(**{"ndcg@10": low})},
    }
    make_evaluation(version, paired={"ndcg@10": low}, cold=cold)
    found = collect(version, champion=version)
    assert (found.new_items.difference.value, found.new_items.figure) == (-0.2, 0.4)
    assert (found.new_users.difference.value, found.new_users.difference.n) == (-0.2, 30)
    first = collect(version)
    assert (first.new_items.difference.value, first.new_items.figure) == (0.2, 0.2)
    assert first.new_users is None  # no difference to popularity is kept there


@pytest.mark.parametrize("cold", [{}, {"items": report(), "users": {}}])
def test_what_was_not_judged_is_nothing(version, cold):
    make_evaluation(version, cold=cold)
    assert (collect(version).new_users, collect(version).new_items) == (None, None)


def test_an_undefined_difference_is_nothing(version):
    nothing = {"value": None, "low": None, "high": None, "n": 0}
    make_evaluation(version, cold={"items": report(**{"auc:popularity": nothing})})
    assert collect(version).new_items is None
