import json

import numpy as np
import pytest

from bench import accuracy, ours
from bench.entries import Entry, Run, entries
from bench.frozen import load_task, save_task
from bench.judge import Judged
from bench.protocols import cold_items, leave_last, with_content
from bench.settings import BUDGET_S, ONLY_UNDER, SETTINGS, VARIANTS
from bench.work import Learned
from recommender.ml.models import MODELS
from recommender.ml.recipes import RECIPES
from tests.bench.world import circle, write_100k

SMALL = {"ml-100k-b": True, "ml-100k-c": False, "ml-1m-a": False}


@pytest.fixture
def place(tmp_path):
    made = leave_last(circle())
    sha256 = save_task(tmp_path / "t", made.task, made.answers)
    return accuracy.Place(tmp_path / "t", tmp_path / "runs", sha256)


def options(*more):
    return accuracy._options(["--peers-python", "/nowhere/python", *more])


def reference(seed=1):
    given = {"model": "random", "reads_text": False, "seed": seed}
    return Entry("random", "Random", "reference", "nothing", given)


@pytest.mark.parametrize(("task", "has_variants"), SMALL.items())
def test_every_model_of_ours_has_its_rows(task, has_variants):
    rows = {row.name for row in entries(Run(task, task.rsplit("-", 1)[0], 1, False))}
    assert set(RECIPES) - rows == (set(ONLY_UNDER) - {"neumf"} if task == "ml-1m-a" else set())
    assert {"random", "popularity_of_all_time"} <= rows
    assert ("rectools_sasrec_x1" in rows) is (task != "ml-1m-a")
    assert (set(VARIANTS) <= rows) is has_variants


def test_the_cold_test_has_no_peers_but_the_filled_reference():
    rows = entries(Run("ml-1m-cold", "ml-1m", 1, False))
    assert "peer" not in {row.side for row in rows}
    assert rows[-1].options["fill_cold"] is True
    assert all(row.options["reads_text"] for row in rows if row.side == "ours")


@pytest.mark.parametrize("dataset", SETTINGS)
def test_settings_change_only_fields_that_the_models_have(dataset):
    for model, changed in SETTINGS[dataset].items():
        config = ours.configured(MODELS[model], changed, 1.0)
        assert {name: getattr(config, name) for name in changed} == changed


def test_half_the_epochs_are_half_the_epochs():
    whole = MODELS["transformer"].Config().epochs
    assert ours.configured(MODELS["transformer"], {}, 0.5).epochs == round(whole / 2)


def test_a_row_runs_in_its_own_process_once_and_again_when_its_options_change(place, capsys):
    assert accuracy.run_one(reference(), place, options())
    first = (place.runs / "random" / "run.json").read_text()
    assert json.loads(first)["process_cpu_s"] > 0
    assert json.loads(first)["peak_mb"] > 10
    assert accuracy.run_one(reference(), place, options())
    assert (place.runs / "random" / "run.json").read_text() == first
    key = (place.runs / "random" / "key").read_text()
    assert accuracy.run_one(reference(seed=2), place, options())
    assert (place.runs / "random" / "key").read_text() != key
    assert capsys.readouterr().out.count("random:") == 2


def test_a_row_that_fails_says_where_its_log_is(place, capsys):
    row = Entry("no-such", "No such", "ours", "", {"model": "no-such", "reads_text": True})
    assert not accuracy.run_one(row, place, options())
    assert "no-such: failed, see" in capsys.readouterr().out
    assert "KeyError" in (place.runs / "no-such" / "log.txt").read_text()


def test_the_peers_transformers_get_all_the_time_that_ours_may_take():
    rows = {row.name: row for row in entries(Run("ml-1m-b", "ml-1m", 1, is_small=False))}
    assert rows["rectools_sasrec_x1"].options["budget_s"] == BUDGET_S["ml-1m"]
    assert rows["rectools_sasrec_shipped"].options["budget_s"] is None
    among_99 = entries(Run("ml-1m-a", "ml-1m", 1, is_small=False))
    assert not [row for row in among_99 if row.name.startswith("rectools_sasrec")]


def test_without_data_it_says_so_and_ends_well(tmp_path, capsys):
    assert accuracy.main(["--data", str(tmp_path), "--no-write"]) == 0
    assert "skipped ml-100k-b: no data" in capsys.readouterr().out


def test_a_harness_that_misses_the_published_popularity_is_refused():
    off = Judged({"HR@10": np.full(10, 0.4), "NDCG@10": np.full(10, 0.2)}, {}, 0.0, 0.0)
    with pytest.raises(AssertionError, match=r"expected \(0.4538, 0.2545\)"):
        accuracy._check_harness(off)


def test_the_whole_way_from_files_to_a_table(tmp_path, capsys):
    write_100k(tmp_path / "d" / "ml-100k")
    given = ["--data", str(tmp_path / "d"), "--work", str(tmp_path / "w"), "--tasks", "ml-100k-b"]
    given += ["--only", "random", "--budget", "small", "--peers-python", "/nowhere/python"]
    assert accuracy.main(given) == 0
    out = capsys.readouterr().out
    assert "peers are left out: run `make bench-peers` first" in out
    assert "| Random |" in out


def test_a_cold_item_takes_over_the_scores_of_its_content_neighbors(tmp_path):
    made = cold_items(circle(n_users=118), seed=1)
    content = np.zeros((131, 130), np.float32)
    content[1:] = np.eye(130)
    task = with_content(made, content, "hashing").task
    filled = ours.filled(lambda ask, cases: np.ones((len(cases), 131)), task)
    scores = filled(task.asks["cold"], np.array([0, 1]))
    assert scores.shape == (2, 131)
    cold = task.asks["among"].candidates[0]
    assert (scores[:, cold] == 1.0).all()


def test_a_model_without_leave_to_read_texts_gets_none(tmp_path):
    made = with_content(leave_last(circle()), np.ones((131, 8), np.float32), "hashing")
    save_task(tmp_path / "t", made.task, made.answers)
    task = load_task(tmp_path / "t")
    assert ours._reading(task, reads_text=False).train.content.shape == (131, 0)
    assert ours._reading(task, reads_text=True).train.content.shape == (131, 8)


def test_one_of_our_models_is_trained_exported_and_ranked_as_served(tmp_path):
    made = leave_last(circle())
    given = {"model": "item_knn", "config": {}, "epochs_share": 1.0, "seed": 1}
    learned = ours.train(made.task, given, tmp_path)
    assert isinstance(learned, Learned)
    assert learned.extra["artifact_bytes"] > 0
    scores = learned.scores_for(made.task.asks["b"], np.array([0, 3]))
    assert scores.shape == (2, 131)
