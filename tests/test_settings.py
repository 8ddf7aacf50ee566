"""Pin the settings that reliability rests on; each was measured (see docs on reliability)."""

import pytest
from django.conf import settings
from django.db import connection

from recommender import tasks
from recsite import env
from recsite.celery import app


def sqlite_options() -> dict:
    return env.sqlite(settings.DATA_DIR / "x.sqlite3")["OPTIONS"]


def test_sqlite_writers_queue_up_instead_of_failing():
    assert sqlite_options()["transaction_mode"] == "IMMEDIATE"
    assert sqlite_options()["timeout"] == 20


@pytest.mark.parametrize(
    "pragma",
    [
        "journal_mode=WAL",
        "synchronous=FULL",  # a commit survives power loss
        "mmap_size=268435456",
        "cache_size=-65536",
    ],
)
def test_sqlite_is_opened_with(pragma):
    assert f"PRAGMA {pragma};" in sqlite_options()["init_command"]


def test_reading_requests_take_no_write_lock():
    assert not settings.DATABASES["default"].get("ATOMIC_REQUESTS", False)


@pytest.mark.django_db
def test_the_pragmas_hold_on_a_real_connection():
    if connection.vendor != "sqlite":
        assert connection.settings_dict["CONN_HEALTH_CHECKS"]
        return
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA synchronous").fetchone()[0] == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task_ignore_result", True),  # the state is in our own rows
        ("task_serializer", "json"),
        ("accept_content", ["json"]),
        ("task_acks_late", False),  # the job row brings a job back, not the broker
        ("worker_prefetch_multiplier", 1),
        ("worker_max_tasks_per_child", 50),
        ("worker_redirect_stdouts", False),
        ("broker_connection_retry_on_startup", True),
        ("broker_connection_timeout", 2.0),  # publishing never holds up a request for long
        ("task_default_queue", "default"),
        ("timezone", "UTC"),
    ],
)
def test_celery_is_set_up_with(name, value):
    assert app.conf[name] == value


def test_celery_knows_a_hard_and_a_soft_limit_for_tasks_that_name_none():
    assert 0 < app.conf.task_soft_time_limit < app.conf.task_time_limit


def test_training_cannot_starve_other_jobs():
    heavy = ("recommender.train", "recommender.measure_variants")
    assert app.conf.task_routes == {name: {"queue": "learning"} for name in heavy}


def test_no_message_is_given_out_twice_while_its_task_may_still_run():
    longest = max(task.time_limit or 0 for name, task in app.tasks.items() if "recommender" in name)
    assert tasks.train.time_limit == longest
    assert longest <= 10_800
    if settings.BROKER_URL.startswith("redis"):
        assert app.conf.broker_transport_options["visibility_timeout"] > longest


def test_without_a_broker_messages_stay_in_the_worker():
    if not settings.BROKER_URL:
        assert app.conf.broker_url == "memory://"
        assert app.conf.broker_transport_options["polling_interval"] <= 0.1


def test_the_schedule_needs_no_file_and_no_pickle():
    from recommender.jobs.schedule import OutboxScheduler

    assert not hasattr(OutboxScheduler, "persistence")
