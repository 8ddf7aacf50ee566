from datetime import timedelta

import pytest

from recommender import tasks  # noqa: F401 - registers the tasks
from recommender.jobs.models import Job
from recommender.jobs.schedule import SCHEDULE, OutboxScheduler, tick_of
from recsite.celery import app

OURS = [name for name in app.tasks if name.startswith("recommender.")]


def tick_all(scheduler: OutboxScheduler) -> None:
    for _ in range(len(SCHEDULE) + 1):
        scheduler.tick()


@pytest.mark.django_db
def test_beat_writes_a_job_row_for_each_entry_and_publishes_nothing():
    tick_all(OutboxScheduler(app))
    assert set(Job.objects.values_list("task", flat=True)) == {e["task"] for e in SCHEDULE.values()}


@pytest.mark.django_db
def test_two_beats_and_a_restarted_one_make_one_job_per_tick():
    for _ in range(3):
        tick_all(OutboxScheduler(app))
    assert Job.objects.filter(task="recommender.cleanup").count() == 1


def test_every_scheduled_task_exists():
    assert {entry["task"] for entry in SCHEDULE.values()} <= set(app.tasks)


def test_retraining_is_considered_each_minute_and_cleanup_done_each_hour():
    assert SCHEDULE["steer"]["schedule"] == timedelta(seconds=60)
    assert SCHEDULE["retrain"]["schedule"] == timedelta(seconds=60)
    assert SCHEDULE["cleanup"]["schedule"] == timedelta(hours=1)


@pytest.mark.parametrize("name", OURS)
def test_every_task_has_a_hard_and_a_soft_time_limit(name):
    task = app.tasks[name]
    assert 0 < task.soft_time_limit < task.time_limit <= 3 * 3600


def test_a_tick_is_a_number_that_all_beats_agree_on():
    assert tick_of(timedelta(seconds=60), at=179.99) == 2
