"""Run a Celery worker for one queue, with its keeper, and stop it in order."""

import logging
import os
import signal
import socket
import sys
import threading
import time
import warnings
from typing import Any

import structlog
from billiard.pool import EX_OK, EX_RECYCLE
from celery import signals
from celery.exceptions import SecurityWarning
from celery.worker import state
from django.conf import settings
from django.db import connections

from recommender.jobs import delivery, services
from recommender.jobs.keeper import Duty, Keeper, fork_lock
from recommender.jobs.task import Ended, ended
from recommender.train.lease import give_back

log = structlog.get_logger(__name__)

GRACE_S = 4.0  # how long a stopping worker lets its job go on before it puts it back
RESTART_PAUSE_S = 0.3  # a child that dies at once must not make us spin
FEEDS = {"learning": 1}  # one long run at a time; short jobs are taken by the handful
FEEDS_OTHERS = 8


def run(queue: str) -> int:
    """Work on a queue until told to stop; returns the exit code."""
    work = Work(queue)
    work.worker.start()
    work.put_back()
    return int(work.worker.exitcode or 0)


class Work:
    """One worker process: Celery's part, the keeper, and how both end."""

    def __init__(self, queue: str) -> None:
        """Build the worker; nothing runs before `worker.start`."""
        from recsite.celery import app

        _quiet()
        self.name = f"{queue}-{os.getpid()}@{socket.gethostname()}"
        feeds = 0 if settings.BROKER_URL else FEEDS.get(queue, FEEDS_OTHERS)
        self.keeper = Keeper(Duty(self.name, queue, feeds=feeds))
        self.is_ending = threading.Lock()  # taken once: a worker ends in one way only
        connections.close_all()  # nothing may be open when the first child is forked
        self.worker: Any = app.Worker(
            hostname=self.name,
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
        signals.worker_ready.connect(self.ready, weak=False)
        signals.worker_shutting_down.connect(self.stopping, weak=False)

    def ready(self, **_signal: Any) -> None:
        """Begin to take jobs, and to watch the children."""
        pool = self.worker.pool._pool
        clean_up = pool.on_process_down  # with a broker, the pool's own book-keeping

        def down(child: Any) -> None:
            if clean_up:
                clean_up(child)
            self.child_ended(child)

        pool.on_process_down = down
        self.keeper.start()

    def stopping(self, **_signal: Any) -> None:
        """Take no further job, and see to it that we leave soon."""
        self.keeper.stop_feeding()
        if self.is_ending.acquire(blocking=False):
            threading.Thread(target=self.wind_down, daemon=True).start()

    def wind_down(self) -> None:
        """Let the job at work end if it is short; else put it back. Then leave.

        Celery's own way out waits for the job, however long, and for two seconds without any.
        """
        try:
            until = time.monotonic() + GRACE_S
            while time.monotonic() < until and self.is_busy():
                time.sleep(0.1)
            self.put_back()  # the fence keeps out what the child may still write
        finally:  # without a database the lease lapses by itself
            self.kill_children()
            os._exit(0)

    def child_ended(self, child: Any) -> None:
        """Start the whole worker over when a child was killed.

        Children read from one pipe and write to another under locks that they share. One that is
        killed may hold such a lock for ever, and its successor would wait for ever; an idle child
        always holds one. So the pool of a killed child is not used again.
        """
        if child.exitcode in (EX_OK, EX_RECYCLE) or not self.is_ending.acquire(blocking=False):
            return
        log.warning("child_killed", worker=self.name, pid=child.pid, code=child.exitcode)
        for request in list(state.active_requests):
            read = delivery.read_message_id(request.id)
            if read:
                ended.put(Ended(*read, f"Its process was killed (code {child.exitcode})."))
        try:
            self.keeper.stop()
            with fork_lock:
                self.keeper.settle()
                services.release(owner=self.name, began=False)
                connections.close_all()
        finally:
            self.kill_children()
            time.sleep(RESTART_PAUSE_S)
            os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - our own command line

    def put_back(self) -> None:
        """Make what the worker still holds due again, the run of a trainer included."""
        self.keeper.stop()
        with fork_lock:
            for job in services.release(owner=self.name):
                give_back(owner=f"job {job.pk}")
                log.info("job_put_back", job=job.pk, task=job.task)
            connections.close_all()

    def is_busy(self) -> bool:
        """Say whether a job is still claimed."""
        with fork_lock:
            try:
                return services.is_busy(owner=self.name)
            finally:
                connections.close_all()

    def kill_children(self) -> None:
        """End the pool's processes."""
        for child in list(self.worker.pool._pool._pool):
            if child.exitcode is None:
                os.kill(child.pid, signal.SIGKILL)


def _quiet() -> None:
    """Drop two warnings: of root, usual in a container, and of memory:// having no host."""
    warnings.filterwarnings("ignore", category=SecurityWarning)
    logging.getLogger("kombu.connection").setLevel(logging.ERROR)


@signals.worker_process_init.connect
def watch_parent(**_signal: Any) -> None:
    """End a pool child when its parent was killed: nobody would hear of its work."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
