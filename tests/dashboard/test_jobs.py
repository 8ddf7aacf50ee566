"""Runs: two clicks to retrain, one live page, a poll that answers 304."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from recommender import clock
from recommender.dashboard import queries_runs, views_jobs
from recommender.jobs import services as job_services
from recommender.train.models import TrainingRun
from tests.dashboard.world import NOW, World
from tests.factories import make_run, make_version

HISTORY = [
    {"epoch": 1, "loss": 2.0, "validation_loss": 2.1, "validation": 0.20},
    {"epoch": 2, "loss": 1.5, "validation_loss": 1.9, "validation": 0.25},
    {"epoch": 3, "loss": 1.2, "validation_loss": 2.0, "validation": 0.24},
]


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    made: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(job_services, "enqueue", lambda task, **asked: made.append((task, asked)))
    return made


def working(world: World, **fields: Any) -> TrainingRun:
    real = datetime.now(UTC)
    defaults = {
        "state": "training",
        "epoch": 3,
        "epochs": 10,
        "progress": 0.3,
        "eta_s": 240.0,
        "history": HISTORY,
        "started_at": NOW - timedelta(seconds=102),
        "heartbeat_at": real,
        "log": "reading\nepoch 1",
    }
    return make_run(world.catalog, **(defaults | fields))


def test_retraining_takes_two_clicks(world: World, ops: Client, queued):
    first = ops.get("/ops/").content.decode()
    assert 'href="/ops/jobs/new/"' in first
    second = ops.get("/ops/jobs/new/").content.decode()
    assert "Start training" in second
    answer = ops.post("/ops/jobs/new/", {"model": "item_knn"})
    run = TrainingRun.objects.get()
    assert answer["Location"] == f"/ops/jobs/{run.pk}/"
    assert (run.model, run.state, run.trigger) == ("item_knn", "queued", "operator")
    asked = {"queue": "learning", "dedup_key": f"run:{run.pk}", "run_id": run.pk}
    assert queued == [("recommender.train", asked)]


def test_a_run_without_its_job_is_not_kept(world: World, ops: Client, monkeypatch):
    def fail(task: str, **asked: Any) -> None:
        raise RuntimeError("the queue is full")

    monkeypatch.setattr(job_services, "enqueue", fail)
    with pytest.raises(RuntimeError):
        ops.post("/ops/jobs/new/", {"model": "item_knn"})
    assert TrainingRun.objects.count() == 0


def test_a_second_start_leads_to_the_running_one(world: World, ops: Client, queued):
    run = working(world)
    page = ops.get("/ops/jobs/new/").content.decode()
    assert f"Run {run.pk} is already running." in page
    assert "Start training" not in page
    answer = ops.post("/ops/jobs/new/", {"model": "item_knn"})
    assert answer["Location"] == f"/ops/jobs/{run.pk}/"
    assert TrainingRun.objects.count() == 1
    assert queued == []


def test_an_unknown_model_is_refused_in_words(world: World, ops: Client, queued):
    page = ops.post("/ops/jobs/new/", {"model": "magic"}, follow=True).content.decode()
    assert "magic" in page
    assert TrainingRun.objects.count() == 0


def test_the_estimate_is_the_median_of_the_last_runs(world: World):
    for seconds in (10, 20, 600):
        make_run(
            world.catalog,
            state="ready",
            started_at=NOW,
            finished_at=NOW + timedelta(seconds=seconds),
        )
    make_run(world.catalog, state="failed", started_at=NOW, finished_at=NOW)
    assert queries_runs.retrain_plan(world.catalog).median_s == {"item_knn": 20.0}


def test_the_page_shows_epoch_best_and_time_left(world: World, ops: Client):
    page = ops.get(f"/ops/jobs/{working(world).pk}/").content.decode()
    assert "Epoch 3/10 · validation NDCG@10 0.240 (best 0.250)" in page
    assert '<dd data-show="eta_text">4:00</dd>' in page
    assert "1:42" in page
    assert "<title>(30%) Run" in page


def test_the_poll_answers_304_until_something_changes(world: World, ops: Client):
    run = working(world)
    address = f"/ops/jobs/{run.pk}/status/"
    first = ops.get(address)
    assert first.json()["epoch"] == 3
    tag = first["ETag"]
    with clock.at(NOW + timedelta(seconds=5)):  # elapsed time alone is no news
        again = ops.get(address, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    TrainingRun.objects.filter(pk=run.pk).update(epoch=4, progress=0.4)
    changed = ops.get(address, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.json()["progress"] == 0.4


def test_the_poll_has_the_fields_of_the_api(world: World, ops: Client):
    body = ops.get(f"/ops/jobs/{working(world).pk}/status/").json()
    fields = (
        "id state model epoch epochs progress metrics eta_s verdict model_version error teacher"
    )
    assert set(fields.split()) <= set(body)


def test_the_poll_speaks_the_language_of_its_tag(world: World, ops: Client):
    address = f"/ops/jobs/{working(world).pk}/status/"
    english = ops.get(address, headers={"Accept-Language": "en"})
    chinese = ops.get(
        address, headers={"Accept-Language": "zh-hans", "If-None-Match": english["ETag"]}
    )
    assert chinese.status_code == 200


def test_the_poll_costs_few_queries(world: World, ops: Client, django_assert_max_num_queries):
    address = f"/ops/jobs/{working(world).pk}/status/"
    with django_assert_max_num_queries(4):  # session, account, run, workers
        ops.get(address)


def test_the_announcement_changes_with_the_epoch_only(world: World):
    run = working(world)
    first = views_jobs.announcement(queries_runs.run_card(run.pk))
    TrainingRun.objects.filter(pk=run.pk).update(progress=0.35, eta_s=200.0, log="more")
    assert views_jobs.announcement(queries_runs.run_card(run.pk)) == first
    TrainingRun.objects.filter(pk=run.pk).update(epoch=4)
    assert views_jobs.announcement(queries_runs.run_card(run.pk)) != first


def test_a_silent_worker_makes_the_run_lost(world: World, ops: Client):
    run = working(world, heartbeat_at=datetime.now(UTC) - timedelta(seconds=31))
    page = ops.get(f"/ops/jobs/{run.pk}/").content.decode()
    assert "Its worker has not reported for 30 seconds." in page
    assert ops.get(f"/ops/jobs/{run.pk}/status/").json()["is_lost"] is True


def test_a_queued_run_is_not_lost(world: World):
    run = make_run(world.catalog)
    assert not queries_runs.run_card(run.pk).is_lost


def test_stopping_is_asked_of_the_run(world: World, ops: Client):
    run = working(world)
    ops.post(f"/ops/jobs/{run.pk}/cancel/")
    run.refresh_from_db()
    assert run.cancel_requested
    assert "Stopping…" in ops.get(f"/ops/jobs/{run.pk}/").content.decode()


def test_stopping_a_finished_run_is_refused_in_words(world: World, ops: Client):
    run = make_run(world.catalog, state="ready")
    page = ops.post(f"/ops/jobs/{run.pk}/cancel/", follow=True).content.decode()
    assert "nothing to stop" in page


def test_a_retry_keeps_the_parameters(world: World, ops: Client, queued):
    failed = make_run(world.catalog, state="failed", seed=7)
    answer = ops.post(f"/ops/jobs/{failed.pk}/retry/")
    again = TrainingRun.objects.latest("id")
    assert answer["Location"] == f"/ops/jobs/{again.pk}/"
    assert (again.model, again.seed, again.requested_by[:6]) == ("item_knn", 7, "person")
    assert queued[0][1]["run_id"] == again.pk


def test_the_verdict_is_shown_with_its_interval(world: World, ops: Client):
    check = {"name": "champion", "passed": False, "value": -0.012, "low": -0.02, "high": -0.004}
    verdict = {"is_better": False, "sentence": "", "checks": [check | {"text": "", "limit": 0.0}]}
    run = make_run(world.catalog, state="rejected", verdict=verdict, model_version=world.live)
    page = ops.get(f"/ops/jobs/{run.pk}/").content.decode()
    assert "difference −0.0120 (95% interval −0.0200 to −0.0040)" in page


def test_a_failure_shows_its_error_escaped(world: World, ops: Client):
    run = make_run(world.catalog, state="failed", error="ValueError: <script>alert(1)</script>")
    page = ops.get(f"/ops/jobs/{run.pk}/").content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def test_the_first_of_equal_best_epochs_is_marked():
    history = [{"epoch": 1, "validation": 0.3}, {"epoch": 2, "validation": 0.3}, {"epoch": 3}]
    assert queries_runs.best_of(history) == (1, 0.3)
    assert queries_runs.best_of([]) == (None, None)


def test_missing_workers_are_said(world: World, ops: Client):
    from recommender.jobs.models import Worker

    Worker.objects.all().delete()
    assert "No worker has reported" in ops.get("/ops/jobs/").content.decode()
    assert "No worker has reported" in ops.get("/ops/jobs/new/").content.decode()


def test_a_smaller_version_is_asked_for_with_a_teacher_and_a_tick(
    world: World, ops: Client, queued
):
    teacher = make_version(world.catalog, number=70, model="hybrid")
    gone = make_version(world.catalog, number=71, model="hybrid", broken_reason="gone")
    page = ops.get("/ops/jobs/new/").content.decode()
    assert '<option value="70">v70' in page
    assert f'value="{gone.number}"' not in page
    wish = {"model": "transformer", "teacher": "70", "matryoshka": "1"}
    answer = ops.post("/ops/jobs/new/", wish)
    run = TrainingRun.objects.get()
    assert (run.teacher, run.config) == (teacher, {"matryoshka": 1.0, "embedding_size": 32})
    shown = ops.get(answer["Location"]).content.decode()
    assert 'href="/ops/models/70/"' in shown


@pytest.mark.parametrize("number", ["72", "x", "9" * 40, "²"])
def test_a_teacher_that_is_not_there_is_refused(world: World, ops: Client, queued, number):
    page = ops.post("/ops/jobs/new/", {"model": "transformer", "teacher": number}, follow=True)
    assert "has no version" in page.content.decode()
    assert TrainingRun.objects.count() == 0
