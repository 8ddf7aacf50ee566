import pytest
from celery import shared_task

from recommender.jobs import delivery, services
from recommender.jobs.models import Job
from recommender.jobs.task import JobTask, current_job

pytestmark = pytest.mark.django_db
calls: list[object] = []


@shared_task(name="test.work", base=JobTask)
def work(*, x: int) -> None:
    calls.append((x, current_job()))


@shared_task(name="test.poison", base=JobTask)
def poison() -> None:
    raise ValueError("the row is not what it seems")


@pytest.fixture(autouse=True)
def _no_calls():
    calls.clear()


def deliver(task, job: Job) -> Job:
    task.apply(task_id=delivery.message_id(job), kwargs=job.kwargs, throw=True)
    job.refresh_from_db()
    return job


def enqueue(task: str, **kwargs) -> Job:
    job = services.enqueue(task, **kwargs)
    assert job is not None
    return job


def test_a_delivered_job_runs_and_its_row_is_done():
    job = deliver(work, enqueue("test.work", x=3))
    assert calls == [(3, f"job {job.pk}")]
    assert (job.state, job.attempts) == ("done", 1)


def test_a_message_delivered_twice_runs_once():
    job = enqueue("test.work", x=3)
    first, second = Job.objects.get(pk=job.pk), Job.objects.get(pk=job.pk)
    deliver(work, first)
    work.apply(task_id=f"job-{second.pk}-0", kwargs=second.kwargs, throw=True)
    assert len(calls) == 1


def test_a_task_called_as_a_function_needs_no_job():
    work(x=1)
    assert calls == [(1, "no job")]


def test_a_poisoned_job_is_dead_after_three_tries_and_says_why():
    job = enqueue("test.poison")
    for _ in range(3):
        deliver(poison, job)
    assert (job.state, job.attempts) == ("dead", 3)
    assert job.error == "ValueError: the row is not what it seems"
    assert services.claim_due(queue="default", owner="w") == []
