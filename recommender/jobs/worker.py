"""Run a Celery worker for one queue, with its keeper, and stop it in order."""

import logging
import os
import signal
import socket
import threading
import time
import warnings
from typing import Any

import structlog
from celery import signals
from celery.platforms import SecurityWarning
from django.conf import settings
from django.db import connections

from recommender.jobs import services
from recommender.jobs.keeper import Duty, Keeper, fork_lock
from recommender.train.lease import give_back

log = structlog.get_logger(__name__)

GRACE_S = 4.0  # how long a stopping worker lets its job go on before it puts it back
FEEDS = {"learning": 1}  # one long run at a time; short jobs are taken by the handful
FEEDS_OTHERS = 8


def worker_name(queue: str) -> str:
    """Return a name that no other process on any machine has."""
    return f"{queue}-{os.getpid()}@{socket.gethostname()}"


def run(queue: str) -> int:
    """Work on a queue until told to stop; returns the exit code."""
    from recsite.celery import app

    _quiet()
    name = worker_name(queue)
    feeds = 0 if settings.BROKER_URL else FEEDS.get(queue, FEEDS_OTHERS)
    keeper = Keeper(Duty(name, queue, feeds=feeds))
    connections.close_all()  # nothing may be open when the first child is forked
    worker = app.Worker(
        hostname=name,
        queues=[queue],
        concurrency=1,
        pool="prefork",
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        # A trainer's memory goes back to the system with its process.
        max_tasks_per_child=1 if queue == "learning" else None,
        quiet=True,
    )

    def stopping(**_signal: Any) -> None:
        keeper.stop_feeding()
        threading.Thread(target=wind_down, args=[worker, keeper], daemon=True).start()

    signals.worker_ready.connect(lambda **_signal: keeper.start(), weak=False)
    signals.worker_shutting_down.connect(stopping, weak=False)
    log.info("worker_started", worker=name, queue=queue)
    worker.start()
    put_back(keeper)
    return int(worker.exitcode or 0)


def _quiet() -> None:
    """Drop two warnings: of root, usual in a container, and of memory:// having no host."""
    warnings.filterwarnings("ignore", category=SecurityWarning)
    logging.getLogger("kombu.connection").setLevel(logging.ERROR)


def wind_down(worker: Any, keeper: Keeper) -> None:
    """Let the job at work end if it is short; else kill its process and put it back. Then leave.

    Celery's own way out waits for the job, however long, and for two seconds when there is none.
    """
    try:
        until = time.monotonic() + GRACE_S
        while time.monotonic() < until and _is_busy(keeper.duty.name):
            time.sleep(0.1)
        put_back(keeper)  # the fence keeps out what the child may still write
    finally:  # without a database the lease lapses by itself
        for child in list(worker.pool._pool._pool):
            os.kill(child.pid, signal.SIGKILL)
        os._exit(0)


def _is_busy(owner: str) -> bool:
    with fork_lock:
        try:
            return services.is_busy(owner=owner)
        finally:
            connections.close_all()


def put_back(keeper: Keeper) -> None:
    """Make what the worker still holds due again, the run of a trainer included."""
    keeper.stop()
    with fork_lock:
        for job in services.release(owner=keeper.duty.name):
            give_back(owner=f"job {job.pk}")
            log.info("job_put_back", job=job.pk, task=job.task)
        connections.close_all()


@signals.worker_process_init.connect
def watch_parent(**_signal: Any) -> None:
    """End a pool child when its parent was killed: nobody would hear of its work."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
