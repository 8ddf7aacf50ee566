from datetime import UTC, datetime, timedelta

import pytest
from kombu.exceptions import OperationalError

from recommender.jobs import delivery, services
from recommender.jobs.models import Job

pytestmark = pytest.mark.django_db
BROKER = "redis://127.0.0.1:1/0"


@pytest.fixture
def sent(monkeypatch):
    monkeypatch.setattr(delivery, "_away_until", 0.0)
    jobs: list[int] = []
    monkeypatch.setattr(delivery, "send", lambda job: jobs.append(job.pk))
    return jobs


def enqueue(**options) -> Job:
    job = services.enqueue("recommender.reap", **options)
    assert job is not None
    return job


def test_without_a_broker_nothing_is_published(sent, settings, django_capture_on_commit_callbacks):
    settings.BROKER_URL = ""
    with django_capture_on_commit_callbacks(execute=True):
        enqueue()
    assert sent == []


def test_with_a_broker_a_job_is_published_after_the_commit(
    sent, settings, django_capture_on_commit_callbacks
):
    settings.BROKER_URL = BROKER
    with django_capture_on_commit_callbacks(execute=True):
        job = enqueue()
        assert sent == []
    assert sent == [job.pk]


def test_a_published_job_is_not_published_again_at_once(sent):
    job = enqueue()
    assert delivery.publish(job.pk)
    assert not delivery.publish(job.pk)
    assert delivery.publish_unpublished() == 0
    assert sent == [job.pk]


def test_a_message_the_broker_forgot_is_sent_again_within_thirty_seconds(sent):
    job = enqueue()
    delivery.publish(job.pk)
    assert services.REPUBLISH_AFTER_S + 2 < 30
    Job.objects.update(lease_expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert delivery.publish_unpublished() == 1
    assert sent == [job.pk, job.pk]


def test_a_job_at_work_is_not_published(sent):
    job = enqueue()
    services.begin(job_id=job.pk, attempts=0, owner="w")
    Job.objects.update(lease_expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert not delivery.publish(job.pk)


def test_a_broker_that_is_away_costs_a_request_nothing(monkeypatch):
    def refuse(job: Job) -> None:
        raise OperationalError("Connection refused")

    monkeypatch.setattr(delivery, "send", refuse)
    job = enqueue()
    assert not delivery.publish(job.pk)
    job.refresh_from_db()
    assert (job.state, job.lease_expires_at) == ("due", None)


def test_while_the_broker_is_away_only_the_first_request_waits_for_it(monkeypatch):
    tried = []

    def refuse(job: Job) -> None:
        tried.append(job.pk)
        raise OperationalError("Connection refused")

    monkeypatch.setattr(delivery, "send", refuse)
    monkeypatch.setattr(delivery, "_away_until", 0.0)
    jobs = [enqueue() for _ in range(3)]
    assert [delivery.publish_after_commit(job.pk) for job in jobs] == [False] * 3
    assert tried == [jobs[0].pk]
    moment = delivery.time.monotonic() + delivery.AWAY_S
    monkeypatch.setattr(delivery.time, "monotonic", lambda: moment)
    delivery.publish_after_commit(jobs[1].pk)
    assert tried == [jobs[0].pk, jobs[1].pk]


def test_jobs_flow_again_at_the_first_look_after_the_broker_returned(monkeypatch, sent):
    job = enqueue()
    with monkeypatch.context() as away:
        away.setattr(delivery, "send", lambda job: (_ for _ in ()).throw(OSError("refused")))
        assert delivery.publish_unpublished() == 0
    assert delivery.publish_unpublished() == 1
    assert sent == [job.pk]


def test_a_job_no_task_answers_to_is_dead_at_once(sent):
    job = services.enqueue("recommender.no_such_task")
    assert job is not None
    assert delivery.bury_if_unknown(job)
    job.refresh_from_db()
    assert job.state == "dead"
    assert "No task is called 'recommender.no_such_task'" in job.error
    assert not delivery.bury_if_unknown(enqueue())
