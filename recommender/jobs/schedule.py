"""What runs by the clock: Celery's beat, which writes job rows instead of messages."""

import os
import signal
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.beat import ScheduleEntry, Scheduler, Service
from django.conf import settings
from django.db import connections

from recommender.jobs import services
from recommender.jobs.keeper import Duty, Keeper

SCHEDULE: dict[str, dict[str, Any]] = {
    "retrain": {"task": "recommender.consider_retraining", "schedule": timedelta(seconds=60)},
    "steer": {"task": "recommender.steer_exploration", "schedule": timedelta(seconds=60)},
    "embed": {"task": "recommender.embed_items", "schedule": timedelta(seconds=60)},
    "cleanup": {"task": "recommender.cleanup", "schedule": timedelta(hours=1)},
}
QUEUE = "scheduler"  # what the scheduler calls itself in the table of workers
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class OutboxScheduler(Scheduler):
    """Beat without a broker and without a file: each tick writes one job, however many beats run.

    All entries are due at the start; whether this hour's cleanup was done already is seen from its
    job row, not from a file of beat's own.
    """

    producer: Any = None  # nothing is published from here

    def setup_schedule(self) -> None:
        """Read the schedule."""
        entries = {
            name: ScheduleEntry(name=name, app=self.app, last_run_at=LONG_AGO, **entry)
            for name, entry in SCHEDULE.items()
        }
        self.schedule.update(entries)

    def apply_async(
        self, entry: Any, producer: Any = None, advance: bool = True, **options: Any
    ) -> Any:
        """Write the entry's job for the present tick."""
        del producer, options  # nothing is published from here
        if advance:
            entry = self.reserve(entry)
        return services.enqueue_tick(entry.task, tick=tick_of(entry.schedule.run_every))


def tick_of(period: timedelta, *, at: float | None = None) -> int:
    """Return the number of the period that holds the moment; all beats agree on it.

    >>> tick_of(timedelta(seconds=60), at=119.9), tick_of(timedelta(seconds=60), at=120.0)
    (1, 2)
    """
    return int((time.time() if at is None else at) // period.total_seconds())


def run(chore: Callable[[], object]) -> None:
    """Run beat and its keeper until told to stop; the keeper does `chore` every five seconds."""
    from recsite.celery import app

    app.loader.import_default_modules()  # the keeper must know which tasks exist
    name = f"scheduler-{os.getpid()}@{socket.gethostname()}"
    keeper = Keeper(Duty(name, QUEUE, publishes=bool(settings.BROKER_URL), chore=chore))
    beat = Service(app, max_interval=1, scheduler_cls=OutboxScheduler)

    def stop(*_signal: Any) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    keeper.start()
    try:
        beat.start()
    finally:
        keeper.stop()
        connections.close_all()
