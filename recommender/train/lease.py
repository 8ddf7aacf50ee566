"""Own a run: claim it, keep the lease alive, write how it goes, and find runs that lost theirs.

Every write names the fence that came with the claim. A trainer that was stopped past its lease and
resumed finds another fence in the row: its write changes nothing and raises LeaseLost.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.db import DatabaseError, connections, transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest

from recommender import clock
from recommender.errors import Refused
from recommender.train.models import TrainingRun

log = structlog.get_logger(__name__)

LEASE_S = 30
HEARTBEAT_S = 5
MAX_ATTEMPTS = 3
LOG_LINES = 200
CANCEL_CHECK_S = 1.0


class LeaseLost(Refused):
    """Another worker owns the run by now, or it is over: stop, and write nothing."""


class Cancelled(Refused):
    """The operator stopped the run."""


@dataclass(frozen=True)
class Lease:
    """The right to write one run, as long as the row still has this fence."""

    run_id: int
    fence: int
    owner: str


def claim(*, run_id: int, owner: str) -> Lease | None:
    """Take a run that waits, or whose owner fell silent; None when there is nothing to take.

    The same owner may take it again: a job's second try begins only after its first one ended.
    """
    moment = datetime.now(UTC)
    free = Q(state__in=[TrainingRun.State.QUEUED, TrainingRun.State.LOST])
    silent = Q(lease_expires_at__lt=moment) | Q(lease_owner=owner)
    run = TrainingRun.objects.filter(pk=run_id).first()
    if run is None or run.attempts >= MAX_ATTEMPTS:
        return None
    taken = (
        TrainingRun.objects.filter(pk=run_id, fence=run.fence)
        .filter(free | (Q(state__in=TrainingRun.WORKING) & silent))
        .update(
            state=TrainingRun.State.LOADING,
            fence=run.fence + 1,
            lease_owner=owner,
            lease_expires_at=moment + timedelta(seconds=LEASE_S),
            heartbeat_at=moment,
            attempts=run.attempts + 1,
            started_at=run.started_at or clock.now(),
        )
    )
    if not taken:
        return None
    lease = Lease(run_id, run.fence + 1, owner)
    if run.attempts:
        add_log(lease=lease, line=f"Picked up again by {owner}, try {run.attempts + 1}.")
    return lease


def heartbeat(*, lease: Lease) -> bool:
    """Extend the lease, and say whether the operator asked to stop. Raises: LeaseLost."""
    moment = datetime.now(UTC)
    write(lease=lease, heartbeat_at=moment, lease_expires_at=moment + timedelta(seconds=LEASE_S))
    return TrainingRun.objects.filter(pk=lease.run_id, cancel_requested=True).exists()


def write(*, lease: Lease, **fields: Any) -> None:
    """Set fields of the run, if the lease still holds. Raises: LeaseLost."""
    if not _mine(lease).update(**fields):
        raise LeaseLost(
            f"Run {lease.run_id} is no longer owned by {lease.owner} (fence {lease.fence}); "
            "nothing was written."
        )


@contextmanager
def holding(lease: Lease) -> Iterator[None]:
    """Run a transaction that counts only if the lease holds to its end. Raises: LeaseLost."""
    with transaction.atomic():
        # Writing first takes the row's lock, so that no other worker can claim it meanwhile.
        write(lease=lease, lease_owner=lease.owner)
        yield


def advance(*, lease: Lease, state: str, progress: float) -> None:
    """Move the run to its next state; progress never falls."""
    write(lease=lease, state=state, progress=Greatest(F("progress"), float(progress)))


def add_epoch(*, lease: Lease, record: dict[str, Any], progress: float) -> None:
    """Append one epoch's figures to the history that the live card shows."""
    with holding(lease):
        run = TrainingRun.objects.get(pk=lease.run_id)
        done = [entry for entry in run.history if entry["epoch"] < record["epoch"]]
        write(
            lease=lease,
            state=TrainingRun.State.TRAINING,
            history=[*done, record],
            epoch=record["epoch"],
            epochs=record["epochs"],
            eta_s=record.get("eta_s"),
            examples_per_s=record.get("examples_per_s"),
            progress=Greatest(F("progress"), float(progress)),
        )


def add_log(*, lease: Lease, line: str) -> None:
    """Append a line to the log's tail."""
    stamp = datetime.now(UTC).strftime("%H:%M:%S")
    with holding(lease):
        lines = TrainingRun.objects.get(pk=lease.run_id).log.splitlines()
        write(lease=lease, log="\n".join([*lines[1 - LOG_LINES :], f"{stamp} {line}"]))


def finish(*, lease: Lease, state: str, **fields: Any) -> TrainingRun:
    """End the run and give up the lease. Raises: LeaseLost."""
    is_whole = state in TrainingRun.WHOLE
    if is_whole:
        fields["progress"] = 1.0
    write(
        lease=lease,
        state=state,
        finished_at=clock.now(),
        lease_owner="",
        lease_expires_at=None,
        eta_s=None,
        **fields,
    )
    return TrainingRun.objects.get(pk=lease.run_id)


def fail(*, lease: Lease, error: str) -> None:
    """End the run with the first line of what went wrong; a lost lease leaves it to the owner."""
    with suppress(LeaseLost):
        add_log(lease=lease, line=error)
        finish(lease=lease, state=TrainingRun.State.FAILED, error=error)


def give_back(*, owner: str) -> int:
    """Queue again what an owner works on when its worker stops; the try is not counted."""
    held = TrainingRun.objects.filter(lease_owner=owner, state__in=TrainingRun.WORKING)
    return held.update(
        state=TrainingRun.State.QUEUED,
        fence=F("fence") + 1,
        attempts=F("attempts") - 1,
        lease_owner="",
        lease_expires_at=None,
    )


def reap(*, at: datetime | None = None) -> list[TrainingRun]:
    """Mark runs without a heartbeat for 30 s as lost, or failed after three tries.

    Returns: every lost run, for the caller to queue again.
    """
    moment = at or datetime.now(UTC)
    silent = TrainingRun.objects.filter(
        state__in=TrainingRun.WORKING, heartbeat_at__lt=moment - timedelta(seconds=LEASE_S)
    )
    for run in list(silent):
        mine = silent.filter(pk=run.pk, fence=run.fence)
        cut_off = {"lease_owner": "", "lease_expires_at": None, "fence": run.fence + 1}
        if run.cancel_requested:
            state, error = TrainingRun.State.CANCELLED, ""
        elif run.attempts < MAX_ATTEMPTS:
            state, error = TrainingRun.State.LOST, ""
        else:
            state = TrainingRun.State.FAILED
            error = f"Its worker died {run.attempts} times during {run.state}; not tried again."
        over = {} if state == TrainingRun.State.LOST else {"finished_at": clock.now()}
        if mine.update(state=state, error=error, **cut_off, **over):
            log.warning("run_lost", run=run.pk, owner=run.lease_owner, state=str(state))
    return list(TrainingRun.objects.filter(state=TrainingRun.State.LOST))


class Heart:
    """Beat in a thread while the trainer works, and tell it to stop.

    The thread lives in the trainer's own process: when that dies or hangs as a whole, it falls
    silent, which is the point.
    """

    def __init__(self, lease: Lease) -> None:
        """Keep the lease; nothing beats before `with`."""
        self.lease = lease
        self._done = threading.Event()
        self._reason: Refused | None = None
        self._asked_at = -CANCEL_CHECK_S
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> "Heart":
        """Start beating."""
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop beating."""
        self._done.set()
        self._thread.join(timeout=10)

    def check(self) -> None:
        """Raise Cancelled or LeaseLost when the trainer must stop; reads the row once a second."""
        if self.should_stop() and self._reason:
            raise self._reason

    def should_stop(self) -> bool:
        """Say whether `check` would raise, for trainers that ask between batches."""
        if self._reason is None and time.monotonic() - self._asked_at >= CANCEL_CHECK_S:
            self._asked_at = time.monotonic()
            is_cancelled = _mine(self.lease).values_list("cancel_requested", flat=True).first()
            if is_cancelled is None:
                self._reason = LeaseLost(f"Run {self.lease.run_id} has another owner or is over.")
            elif is_cancelled:
                self._reason = Cancelled(f"Run {self.lease.run_id} was stopped by an operator.")
        return self._reason is not None

    def _beat(self) -> None:
        while not self._done.wait(HEARTBEAT_S):
            try:
                heartbeat(lease=self.lease)
            except LeaseLost as error:
                self._reason = error
                return
            except DatabaseError as error:  # the next beat may get through: the lease is longer
                log.warning("heartbeat_failed", run=self.lease.run_id, error=str(error))
            finally:
                connections.close_all()


def _mine(lease: Lease) -> Any:
    return TrainingRun.objects.filter(
        pk=lease.run_id, fence=lease.fence, state__in=TrainingRun.WORKING
    )
