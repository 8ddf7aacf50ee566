"""The loop as a whole, on a tiny catalog with two tastes."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from recommender import clock, loop, tasks
from recommender.collect.models import Event
from recommender.jobs.models import Job
from recommender.ml.models.base import EpochRecord
from recommender.promote.models import ModelVersion, Promotion
from recommender.train import lease as leases
from recommender.train.models import TrainingRun
from recommender.train.services import cancel_run, request_run
from tests.train.world import make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def catalog(settings, tmp_path):
    settings.ARTIFACTS_DIR = tmp_path / "artifacts"
    settings.SNAPSHOTS_DIR = tmp_path / "snapshots"
    return make_world()


def queue(catalog, model: str, config=None, **options) -> TrainingRun:
    run = request_run(catalog=catalog, model=model, **options)
    TrainingRun.objects.filter(pk=run.pk).update(config=config or {})
    return run


def train(catalog, model: str, config=None, **options) -> TrainingRun:
    return tasks.run_now(queue(catalog, model, config, **options).pk)


def live(catalog) -> ModelVersion:
    return ModelVersion.objects.live().get(catalog=catalog)


def test_the_first_model_goes_live_with_a_snapshot_a_version_and_a_decision(catalog):
    run = train(catalog, "popularity")
    assert (run.state, run.progress, run.error) == ("ready", 1.0, "")
    assert run.model_version == live(catalog)
    assert run.snapshot == run.model_version.snapshot
    decision = Promotion.objects.get()
    assert (decision.actor, decision.version) == ("gate", run.model_version)
    assert run.verdict["is_better"] is True


def test_a_model_that_knows_tastes_replaces_popularity_through_the_gate(catalog):
    train(catalog, "popularity")
    run = train(catalog, "item_knn")
    assert run.state == "ready"
    assert live(catalog).model == "item_knn"
    ndcg = next(check for check in run.verdict["checks"] if check["name"] == "champion")
    assert ndcg["low"] > 0


def test_popularity_never_replaces_it_and_stays_a_candidate_with_the_reason(catalog):
    train(catalog, "item_knn")
    run = train(catalog, "popularity")
    assert run.state == "rejected"
    assert run.model_version.state == "candidate"
    assert live(catalog).model == "item_knn"
    assert run.verdict["sentence"].startswith("It was kept back.")


def test_a_refresh_on_the_same_data_is_let_through(catalog):
    train(catalog, "item_knn")
    run = train(catalog, "item_knn", mode="incremental")
    assert (run.state, run.base_version.label, live(catalog).label) == ("ready", "v1", "v2")


def test_a_run_shows_each_epoch_with_losses_and_the_time_left(catalog):
    run = train(catalog, "matrix_factorization", config={"epochs": 3})
    assert [entry["epoch"] for entry in run.history] == [1, 2, 3]
    assert all(entry["loss"] is not None and entry["eta_s"] >= 0 for entry in run.history)
    assert (run.epoch, run.epochs) == (3, 3)
    assert "Trained matrix_factorization" in run.log
    assert "Froze" in run.log


def test_a_version_says_what_its_training_cost_in_cpu_time_of_threads_and_children(
    catalog, monkeypatch
):
    burnt, whole_fit = 0.4, loop.fit

    def burn(seconds: float) -> None:
        until = time.thread_time() + seconds
        while time.thread_time() < until:
            pass

    def fit(**how):
        time.sleep(0.2)  # waiting costs nothing
        thread = threading.Thread(target=burn, args=(burnt,))
        thread.start()
        thread.join()
        code = f"import time\nwhile time.process_time() < {burnt}: pass"
        subprocess.run([sys.executable, "-c", code], check=True)
        return whole_fit(**how)

    plain = train(catalog, "popularity").model_version.train_cpu_s
    monkeypatch.setattr(loop, "fit", fit)
    costly = train(catalog, "popularity").model_version.train_cpu_s
    assert plain > 0
    assert 2 * burnt <= costly < 2 * burnt + plain + 2.0


def test_the_same_seed_and_data_give_the_same_weights(catalog):
    with clock.at(clock.now()):
        first = train(catalog, "matrix_factorization", config={"epochs": 2})
        second = train(catalog, "matrix_factorization", config={"epochs": 2})
    files = [
        {entry.name: entry.sha256 for entry in loop_manifest(run).files} for run in (first, second)
    ]
    assert files[0] == files[1]


def test_a_catalog_rated_from_1_to_10_trains_and_its_version_tells_the_scale(catalog):
    catalog.rating_min, catalog.rating_max, catalog.rating_step = 1.0, 10.0, 1.0
    catalog.liked_from = 8.0
    catalog.save()
    Event.objects.filter(catalog=catalog).update(value=9.0)
    run = train(catalog, "transformer", config={"epochs": 1, "embedding_size": 8})
    assert run.model_version, run.error
    assert loop_manifest(run).extra["rating_scale"] == [1.0, 10.0]


def loop_manifest(run: TrainingRun):
    from pathlib import Path

    from recommender.ml.artifact import read_manifest

    return read_manifest(Path(run.model_version.path))


def test_without_events_the_run_fails_and_says_what_to_do(settings, tmp_path):
    from tests.factories import make_catalog

    settings.SNAPSHOTS_DIR = tmp_path
    run = train(make_catalog(), "popularity")
    assert run.state == "failed"
    assert run.error
    assert "Traceback" not in run.error


def test_an_error_in_training_is_kept_as_its_first_line(catalog, monkeypatch):
    def explode(**_):
        raise RuntimeError("the first line\nthe second line")

    monkeypatch.setattr(loop, "fit", explode)
    run = train(catalog, "popularity")
    assert (run.state, run.error) == ("failed", "RuntimeError: the first line")
    assert not ModelVersion.objects.exists()


def test_a_stop_asked_for_during_training_ends_the_run_without_a_version(catalog, monkeypatch):
    monkeypatch.setattr(leases, "CANCEL_CHECK_S", 0.0)
    run = queue(catalog, "matrix_factorization", {"epochs": 500})

    real = leases.add_epoch

    def stop_after_two(**options):
        real(**options)
        if options["record"]["epoch"] == 2:
            cancel_run(run=TrainingRun.objects.get(pk=run.pk))

    monkeypatch.setattr("recommender.train.fit.add_epoch", stop_after_two)
    done = tasks.run_now(run.pk)
    assert (done.state, done.epoch) == ("cancelled", 2)
    assert not ModelVersion.objects.exists()


def test_a_trainer_that_lost_its_run_registers_nothing(catalog, monkeypatch):
    run = request_run(catalog=catalog, model="popularity")
    real = loop.fit

    def slow(**options):
        manifest = real(**options)
        TrainingRun.objects.filter(pk=run.pk).update(fence=7, lease_owner="job 2")
        return manifest

    monkeypatch.setattr(loop, "fit", slow)
    done = tasks.run_now(run.pk)
    assert (done.state, done.lease_owner, done.error) == ("training", "job 2", "")
    assert not ModelVersion.objects.exists()


def test_a_run_that_is_taken_is_left_alone(catalog):
    run = request_run(catalog=catalog, model="popularity")
    leases.claim(run_id=run.pk, owner="job 1")
    with pytest.raises(tasks.Refused, match=f"Run {run.pk} is at work elsewhere or over"):
        tasks.run_now(run.pk)
    tasks.train(run_id=run.pk)
    run.refresh_from_db()
    assert (run.lease_owner, run.fence) == ("job 1", 1)


def test_a_lost_run_is_queued_again_as_one_job(catalog):
    run = request_run(catalog=catalog, model="popularity")
    leases.claim(run_id=run.pk, owner="job 1")
    TrainingRun.objects.update(heartbeat_at="2020-01-01T00:00:00+00:00")
    tasks.reap()
    tasks.reap()
    job = Job.objects.get()
    assert (job.task, job.queue, job.kwargs) == (
        "recommender.train",
        "learning",
        {"run_id": run.pk},
    )
    tasks.train(run_id=run.pk)
    run.refresh_from_db()
    assert (run.state, run.attempts) == ("ready", 2)


def test_enough_news_queues_a_run_by_itself(catalog, monkeypatch):
    train(catalog, "item_knn")
    monkeypatch.setattr("recommender.train.trigger.reason_to_train", lambda news: "events")
    tasks.consider_retraining()
    tasks.consider_retraining()
    run = TrainingRun.objects.newest_first().first()
    assert (run.trigger, run.mode, run.state) == ("events", "incremental", "queued")
    assert Job.objects.filter(dedup_key=f"run:{run.pk}").count() == 1


def test_cleaning_up_keeps_what_serves(catalog):
    train(catalog, "popularity")
    tasks.cleanup()
    from recommender.promote.evidence import fault_of

    assert fault_of(live(catalog)) == ""


def test_an_epochs_undefined_figures_are_kept_as_nothing():
    from recommender.train.fit import as_row

    record = EpochRecord(2, 4, 0.5, float("nan"), None, float("inf"))
    row = as_row(record, spent_s=3.0)
    assert (row["validation_loss"], row["validation"], row["examples_per_s"]) == (None, None, None)
    assert row["eta_s"] == 3.0


SHORT = {"epochs": 2, "embedding_size": 8}


def test_a_student_learns_from_a_version_and_says_from_which(catalog):
    teacher = train(catalog, "item_knn").model_version
    alone = train(catalog, "transformer", config=SHORT)
    student = train(catalog, "transformer", config=SHORT, teacher=teacher)
    assert student.state in TrainingRun.WHOLE
    assert "Learning from v1 as well." in student.log
    assert loop_manifest(student).extra["teacher"] == teacher.pk
    assert loop_manifest(alone).extra["teacher"] is None
    hashes = [
        {entry.name: entry.sha256 for entry in loop_manifest(run).files} for run in (alone, student)
    ]
    assert hashes[0]["item_vectors.npy"] != hashes[1]["item_vectors.npy"]


def test_a_teacher_that_has_seen_the_test_is_refused(catalog):
    teacher = train(catalog, "item_knn").model_version
    ModelVersion.objects.update(trained_to=clock.now())
    run = train(catalog, "transformer", config=SHORT, teacher=teacher)
    assert run.state == "failed"
    assert "v1 has seen events of the later window" in run.error


def test_a_teacher_whose_files_are_broken_fails_the_run(catalog):
    teacher = train(catalog, "item_knn").model_version
    Path(teacher.path, "item_bias.npy").write_bytes(b"nothing")
    run = train(catalog, "transformer", config=SHORT, teacher=teacher)
    assert run.state == "failed"
    assert "item_bias.npy" in run.error
