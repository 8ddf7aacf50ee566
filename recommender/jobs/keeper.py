"""The thread beside a worker or the scheduler that keeps its rows true.

Embedded (no broker) it also is the broker: it claims due jobs and feeds the worker's own memory.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty

import structlog
from django.db import DatabaseError, connections

from recommender.jobs import delivery, services
from recommender.jobs.task import ended

log = structlog.get_logger(__name__)

POLL_S = 0.25
PUBLISH_EVERY_S = 1.0
# A child must never inherit an open SQLite handle: it would believe that it holds the parent's
# locks. So no process is forked while the keeper's connection is open.
fork_lock = threading.RLock()
os.register_at_fork(
    before=fork_lock.acquire,
    after_in_parent=fork_lock.release,
    after_in_child=fork_lock.release,
)


@dataclass(frozen=True)
class Duty:
    """What one keeper does at each look and every few seconds."""

    name: str  # of the worker, as in its rows
    queue: str  # `scheduler` for the scheduler
    feeds: int = 0  # embedded: how many jobs it takes at once; 0 = the broker feeds the worker
    publishes: bool = False  # with a broker, in the scheduler: hand over what the broker lacks
    chore: Callable[[], object] | None = None  # run every few seconds as well


class Keeper:
    """Run a duty in a thread until stopped."""

    def __init__(self, duty: Duty) -> None:
        """Keep the duty; nothing runs before `start`."""
        self.duty = duty
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._next_report = 0.0
        self._next_publish = 0.0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop_feeding(self) -> None:
        """Take no further job, and go on renewing what is held."""
        self.duty = Duty(self.duty.name, self.duty.queue)

    def stop(self) -> None:
        """End the thread and forget the worker's row."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        with fork_lock:
            services.retire_worker(name=self.duty.name)
            connections.close_all()

    def _run(self) -> None:
        while not self._stop.wait(POLL_S):
            try:
                with fork_lock:
                    self.look()
            except DatabaseError as error:
                log.warning("keeper_without_database", worker=self.duty.name, error=str(error))
            except Exception:
                log.exception("keeper_failed", worker=self.duty.name)
            finally:
                with fork_lock:
                    connections.close_all()

    def look(self) -> None:
        """Do what is due now."""
        duty = self.duty
        self.settle()
        if time.monotonic() >= self._next_report:
            self._report()
        if duty.feeds and not services.is_busy(owner=duty.name):
            for job in services.claim_due(queue=duty.queue, owner=duty.name, n=duty.feeds):
                if not delivery.bury_if_unknown(job):
                    delivery.send(job)
        if duty.publishes and time.monotonic() >= self._next_publish:
            delivery.publish_unpublished()
            self._next_publish = time.monotonic() + PUBLISH_EVERY_S

    def settle(self) -> None:
        """Put back the jobs whose child ended without a word."""
        while True:
            try:
                end = ended.get_nowait()
            except Empty:
                return
            try:
                services.settle(
                    job_id=end.job_id,
                    attempts=end.attempts,
                    owner=self.duty.name,
                    error=end.error,
                )
            except DatabaseError:
                ended.put(end)
                raise

    def _report(self) -> None:
        services.report_worker(name=self.duty.name, queue=self.duty.queue, pid=os.getpid())
        services.renew(owner=self.duty.name)
        services.reap()
        if self.duty.chore:
            self.duty.chore()
        self._next_report = time.monotonic() + services.RENEW_EVERY_S
