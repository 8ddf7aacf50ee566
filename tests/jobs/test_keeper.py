import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError

from recommender.jobs import delivery, keeper, services
from recommender.jobs.keeper import Duty, Keeper
from recommender.jobs.models import Job, Worker
from recommender.jobs.task import Ended, ended

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch):
    jobs: list[int] = []
    monkeypatch.setattr(delivery, "send", lambda job: jobs.append(job.pk))
    return jobs


def enqueue(**options) -> Job:
    job = services.enqueue("recommender.reap", **options)
    assert job is not None
    return job


def test_an_embedded_keeper_feeds_its_worker_until_it_is_busy(sent):
    jobs = [enqueue() for _ in range(3)]
    own = Keeper(Duty("w", "default", feeds=2))
    own.look()
    own.look()
    assert sent == [jobs[0].pk, jobs[1].pk]


def test_with_a_broker_the_keeper_claims_nothing(sent):
    enqueue()
    Keeper(Duty("w", "default")).look()
    assert sent == []


def test_the_schedulers_keeper_hands_over_what_the_broker_lacks(sent):
    job = enqueue()
    Keeper(Duty("s", "scheduler", publishes=True)).look()
    assert sent == [job.pk]


def test_a_stopping_keeper_takes_no_more_but_still_renews(sent):
    own = Keeper(Duty("w", "default", feeds=1))
    own.look()
    job = enqueue()
    own.stop_feeding()
    own.look()
    assert sent == []
    services.begin(job_id=job.pk, attempts=0, owner="w")
    Job.objects.update(lease_expires_at=datetime.now(UTC) + timedelta(seconds=1))
    own._next_report = 0
    own.look()
    job.refresh_from_db()
    assert job.lease_expires_at > datetime.now(UTC) + timedelta(seconds=25)


def test_a_keeper_reports_its_worker_and_does_its_chore_every_five_seconds(monkeypatch):
    done = []
    own = Keeper(Duty("w", "default", chore=lambda: done.append(1)))
    own.look()
    own.look()
    assert Worker.objects.get().name == "w"
    assert len(done) == 1
    monkeypatch.setattr(keeper.time, "monotonic", lambda: own._next_report + 0.1)
    own.look()
    assert len(done) == 2


def test_what_the_parent_saw_end_badly_is_due_again(sent):
    job = enqueue()
    services.begin(job_id=job.pk, attempts=0, owner="w")
    ended.put(Ended(job.pk, 0, "WorkerLostError: killed"))
    Keeper(Duty("w", "default", feeds=1)).look()
    job.refresh_from_db()
    assert (job.error, sent) == ("WorkerLostError: killed", [job.pk])


def test_an_unknown_task_does_not_block_the_queue(sent):
    services.enqueue("recommender.from_the_future")
    job = enqueue()
    own = Keeper(Duty("w", "default", feeds=1))
    own.look()
    own.look()
    assert sent == [job.pk]


@pytest.mark.django_db(transaction=True)
def test_a_keeper_outlives_a_database_that_is_away_and_any_other_error(monkeypatch):
    monkeypatch.setattr(keeper, "POLL_S", 0.001)
    errors = iter([OperationalError("locked"), ValueError("odd")])
    looked = threading.Event()
    own = Keeper(Duty("w", "default"))

    def look() -> None:
        for error in errors:
            raise error
        looked.set()

    monkeypatch.setattr(own, "look", look)
    services.report_worker(name="w", queue="default", pid=1)
    own.start()
    assert looked.wait(5)
    own.stop()
    assert not own._thread.is_alive()
    assert not Worker.objects.exists()
