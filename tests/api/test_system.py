"""Loop health, simulated time and the probes."""

from datetime import UTC, datetime, timedelta

import pytest

from recommender import clock
from recommender.jobs.models import Job, Worker
from tests import factories
from tests.api.conftest import Api, assert_conforms, key_for


def loop(api) -> dict:
    answer = api.get("loop").json()
    assert_conforms(answer, "LoopOutput")
    return answer


def test_an_idle_loop_has_settled(api):
    assert loop(api)["settled"] is True
    assert loop(api)["live_version"] is None


def test_an_open_run_unsettles_the_loop(api, catalog):
    run = factories.make_run(catalog, state="training")
    assert (loop(api)["settled"], loop(api)["open_runs"]) == (False, [str(run.pk)])
    run.state = "ready"
    run.save(update_fields=["state"])
    assert loop(api)["settled"] is True


@pytest.mark.parametrize("task", ["recommender.train", "recommender.consider_retraining"])
def test_an_open_job_that_may_change_the_model_unsettles_the_loop(task, api):
    now = datetime.now(UTC)
    job = Job.objects.create(task=task, due_at=now, created_at=now)
    assert loop(api)["settled"] is False
    Job.objects.filter(pk=job.pk).update(state="done")
    assert loop(api)["settled"] is True


def test_a_due_trigger_unsettles_the_loop(api, catalog, items):
    snapshot = factories.make_snapshot(catalog, n_events=10, watermark_to=factories.START)
    factories.make_version(catalog, snapshot=snapshot, state="live")
    factories.make_run(catalog, state="ready", finished_at=factories.START)
    assert loop(api)["settled"] is True
    user = factories.make_user(catalog)
    factories.make_event(user, items[0], at=factories.START + timedelta(days=2))
    with clock.at(factories.START + timedelta(days=2)):
        assert loop(api)["settled"] is False


def test_the_watermark_is_the_newest_event(api, catalog, items):
    assert loop(api)["watermark"] is None
    moment = factories.START + timedelta(hours=3)
    factories.make_event(factories.make_user(catalog), items[0], at=moment)
    assert loop(api)["watermark"] == "2026-01-01T03:00:00Z"


def test_the_last_decision_of_the_gate_is_told(api, catalog):
    version = factories.make_version(catalog, number=3)
    catalog.promotions.create(
        version=version,
        action="refuse",
        actor="gate",
        reason="Not better.",
        created_at=factories.START,
    )
    gate = loop(api)["last_gate"]
    assert (gate["action"], gate["version"], gate["reason"]) == ("refuse", "v3", "Not better.")


def test_time_cannot_be_set_without_the_boot_flag(api):
    response = api.put("clock", {"now": "2030-01-01T00:00:00Z"})
    assert (response.status_code, response.json()["type"][-10:]) == (404, "not_found/")


def test_time_cannot_be_set_without_an_operator_key(catalog, settings):
    settings.SIM_CLOCK = True
    writer = key_for(catalog, "read", "write")
    assert writer.put("clock", {"now": "2030-01-01T00:00:00Z"}).status_code == 403


def test_a_step_forward_moves_time_and_looks_for_due_triggers(api, settings):
    settings.SIM_CLOCK = True
    ahead = datetime.now(UTC) + timedelta(days=40)
    response = api.put("clock", {"now": ahead.isoformat()})
    assert response.status_code == 200
    assert datetime.fromisoformat(loop(api)["now"]) >= ahead
    assert Job.objects.get().task == "recommender.consider_retraining"


@pytest.mark.parametrize("now", ["2001-01-01T00:00:00Z"])
def test_time_never_runs_backwards(now, api, settings):
    settings.SIM_CLOCK = True
    assert api.put("clock", {"now": now}).status_code == 409
    assert not Job.objects.exists()


@pytest.mark.parametrize("body", [{}, {"now": "soon"}, {"now": None}, {"now": 1}, {"time": "x"}])
def test_a_time_that_is_none_is_refused(body, api, settings):
    settings.SIM_CLOCK = True
    assert api.put("clock", body).status_code == 400


def test_the_live_probe_depends_on_nothing(django_db_blocker):
    with django_db_blocker.block():
        response = Api(None).get("health/live")
    assert (response.status_code, response.json()) == (200, {"status": "live"})


def test_the_ready_probe_names_what_is_missing(db):
    response = Api(None).get("health/ready")
    checks = {check["name"]: check["ok"] for check in response.json()["checks"]}
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert checks == {"database": True, "model": False, "worker": False}


def test_the_ready_probe_is_content_with_model_and_worker(catalog):
    now = datetime.now(UTC)
    Worker.objects.create(name="w", queue="default", pid=1, started_at=now, seen_at=now)
    version = factories.make_version(catalog, state="live")
    response = Api(None).get("health/ready")
    assert (response.status_code, response.json()["status"]) == (200, "ready")
    assert_conforms(response.json(), "ReadyOutput")
    version.broken_reason = "sha256 differs"
    version.save(update_fields=["broken_reason"])
    assert "sha256 differs" in Api(None).get("health/ready").json()["detail"]


def test_the_ready_probe_survives_a_dead_database(db, monkeypatch):
    from django.db import OperationalError

    def fall(at):
        raise OperationalError

    monkeypatch.setattr("recommender.api.health.checks", fall)
    response = Api(None).get("health/ready")
    assert response.status_code == 503
    assert response.json()["checks"][0] == {
        "name": "database",
        "ok": False,
        "detail": "The database does not answer.",
    }
