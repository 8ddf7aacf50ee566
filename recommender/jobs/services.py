"""Write jobs, hand them out under a lease, and settle how they ended. The rows are the truth.

A try is fenced by `attempts`: it begins with a conditional update that raises the count, and only
who holds the current count may write how it ended. So a worker that was stopped and resumed, or a
message that arrives twice, changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _

from recommender.errors import Refused
from recommender.jobs.models import Job, Worker

LEASE_S = 30
RENEW_EVERY_S = 5
REPUBLISH_AFTER_S = 20  # a broker that lost its memory gets the message again this soon
LAPSE_DELAY_S = 10  # lets the reaper show a run as lost before it is picked up again
BACKOFF_S = (5, 30, 120, 600)
WORKER_SEEN_S = 15
ERROR_LENGTH = 4_000

OPEN = (Job.State.DUE, Job.State.CLAIMED)
CLOSED = (Job.State.DONE, Job.State.DEAD)


@dataclass(frozen=True)
class Ticket:
    """The right to run one try of one job; a later try makes it void."""

    job_id: int
    attempt: int  # 1 for the first try
    owner: str


def enqueue(
    task: str,
    *,
    queue: str = "",
    dedup_key: str = "",
    delay_s: float = 0,
    max_attempts: int = 3,
    **kwargs: Any,
) -> Job | None:
    """Write a job in the caller's transaction; None when an open job has the same key.

    An empty `queue` means the task's own one (settings.CELERY_TASK_ROUTES), else `default`.
    """
    moment = datetime.now(UTC)
    job = Job(
        task=task,
        kwargs=kwargs,
        queue=queue or queue_of(task),
        dedup_key=dedup_key,
        due_at=moment + timedelta(seconds=delay_s),
        max_attempts=max_attempts,
        created_at=moment,
    )
    try:
        with transaction.atomic():  # a savepoint: a refused insert must not spoil the caller's work
            job.save(force_insert=True)
    except IntegrityError:
        return None
    if settings.BROKER_URL and delay_s <= 0:
        from recommender.jobs import delivery  # needs Celery, which the embedded web never loads

        transaction.on_commit(partial(delivery.publish_after_commit, job.pk), robust=True)
    return job


def enqueue_tick(task: str, *, tick: int) -> Job | None:
    """Write the job of one beat; None when another beat wrote it before, done or not."""
    key = f"{task}@{tick}"
    with transaction.atomic():
        job = enqueue(task, dedup_key=key)
        # The constraint sees open jobs only; the other beat's job may be done already. Looking
        # after the insert leaves no gap between the look and the insert.
        if job and Job.objects.filter(dedup_key=key).exclude(pk=job.pk).exists():
            transaction.set_rollback(True)
            return None
    return job


def queue_of(task: str) -> str:
    """Return the queue that a task runs on."""
    routes: dict[str, dict[str, str]] = settings.CELERY_TASK_ROUTES
    return routes.get(task, {}).get("queue", settings.CELERY_TASK_DEFAULT_QUEUE)


def claim_due(*, queue: str, owner: str, n: int = 1) -> list[Job]:
    """Take up to `n` due jobs of a queue for a worker, oldest first."""
    moment = datetime.now(UTC)
    due = Job.objects.filter(state=Job.State.DUE, queue=queue, due_at__lte=moment)
    mine = []
    for job in due.order_by("due_at", "id")[:n]:
        job.state, job.claimed_by, job.lease_expires_at = Job.State.CLAIMED, owner, _lease()
        if Job.objects.filter(pk=job.pk, state=Job.State.DUE).update(
            state=job.state, claimed_by=owner, lease_expires_at=job.lease_expires_at
        ):
            mine.append(job)
    return mine


def is_busy(*, owner: str) -> bool:
    """Say whether the worker still holds a claimed job. One query."""
    return Job.objects.filter(state=Job.State.CLAIMED, claimed_by=owner).exists()


def take_for_publishing(*, job_id: int) -> Job | None:
    """Note that a due job goes to the broker now; None when that was done a moment ago."""
    moment = datetime.now(UTC)
    taken = Job.objects.filter(_unpublished(moment), pk=job_id).update(
        lease_expires_at=moment + timedelta(seconds=REPUBLISH_AFTER_S)
    )
    return Job.objects.get(pk=job_id) if taken else None


def untake(*, job_id: int) -> None:
    """Note that publishing failed, so that the next look tries again at once."""
    Job.objects.filter(pk=job_id, state=Job.State.DUE).update(lease_expires_at=None)


def unpublished(*, n: int = 100) -> list[Job]:
    """Return due jobs that the broker has not got, or has kept too long."""
    due = Job.objects.filter(_unpublished(datetime.now(UTC)))
    return list(due.order_by("due_at", "id")[:n])


def begin(*, job_id: int, attempts: int, owner: str) -> Ticket | None:
    """Start a try; None when the job is done, taken by another worker, or was tried since.

    `attempts` is the count that the message carries: how many tries had begun when it was sent.
    """
    began = Job.objects.filter(
        Q(state=Job.State.DUE) | Q(state=Job.State.CLAIMED, claimed_by=owner),
        pk=job_id,
        attempts=attempts,
    ).update(
        state=Job.State.CLAIMED,
        claimed_by=owner,
        lease_expires_at=_lease(),
        attempts=attempts + 1,
    )
    return Ticket(job_id, attempts + 1, owner) if began else None


def renew(*, owner: str) -> int:
    """Extend the leases of everything a worker holds."""
    held = Job.objects.filter(state=Job.State.CLAIMED, claimed_by=owner)
    return held.update(lease_expires_at=_lease())


def finish(*, ticket: Ticket) -> bool:
    """Write that a try succeeded; False when the ticket is void by now."""
    done = _held(ticket).update(
        state=Job.State.DONE, finished_at=datetime.now(UTC), lease_expires_at=None, error=""
    )
    return bool(done)


def fail(*, ticket: Ticket, error: str) -> Job | None:
    """Write that a try failed: due again after a pause, or dead after the last one.

    Returns: the job, or None when the ticket is void by now.
    """
    with transaction.atomic():
        job = _held(ticket).first()
        if job is None:
            return None
        pause = BACKOFF_S[min(job.attempts, len(BACKOFF_S)) - 1]
        return _return(job, error=error, delay_s=pause)


def settle(*, job_id: int, attempts: int, owner: str, error: str) -> Job | None:
    """Put back a job whose process died: due at once, or dead after the last try.

    `attempts` is the count that the message carried; the try may or may not have begun. A job that
    was finished, failed or begun anew since is left alone.
    """
    with transaction.atomic():
        job = Job.objects.filter(
            pk=job_id,
            state=Job.State.CLAIMED,
            claimed_by=owner,
            attempts__in=(attempts, attempts + 1),
        ).first()
        return _return(job, error=error, delay_s=0) if job else None


def bury(*, job: Job, error: str) -> None:
    """Declare an open job dead without a try, since no try could succeed."""
    Job.objects.filter(pk=job.pk, state__in=OPEN).update(
        state=Job.State.DEAD,
        finished_at=datetime.now(UTC),
        error=error,
        claimed_by="",
        lease_expires_at=None,
    )


def reap(*, at: datetime | None = None) -> list[Job]:
    """Put back every job whose worker let the lease lapse: the worker is dead or cut off."""
    moment = at or datetime.now(UTC)
    returned = []
    lapsed = Job.objects.filter(state=Job.State.CLAIMED, lease_expires_at__lt=moment)
    for pk in list(lapsed.values_list("pk", flat=True)):
        with transaction.atomic():
            job = lapsed.filter(pk=pk).first()
            if job is not None:
                error = f"Worker {job.claimed_by} fell silent for {LEASE_S} s."
                returned.append(_return(job, error=error, delay_s=LAPSE_DELAY_S))
    return returned


def release(*, owner: str, began: bool = True) -> list[Job]:
    """Put back what a worker holds when it stops; a try that began does not count."""
    held = Job.objects.filter(state=Job.State.CLAIMED, claimed_by=owner)
    jobs = list(held)
    held.filter(pk__in=[job.pk for job in jobs]).update(
        state=Job.State.DUE,
        claimed_by="",
        lease_expires_at=None,
        # `attempts` is the fence and never falls; so the limit rises.
        max_attempts=F("max_attempts") + int(began),
    )
    return jobs


def revive(*, job: Job) -> Job:
    """Give a dead job its tries back. Raises: Refused when it is not dead."""
    try:
        with transaction.atomic():
            revived = Job.objects.filter(pk=job.pk, state=Job.State.DEAD).update(
                state=Job.State.DUE,
                due_at=datetime.now(UTC),
                max_attempts=F("attempts") + 3,
                finished_at=None,
                lease_expires_at=None,
            )
    except IntegrityError:
        raise Refused(
            _("Job %(job)d has a successor that is already open; watch that.") % {"job": job.pk}
        ) from None
    job.refresh_from_db()
    if not revived:
        raise Refused(
            _("Job %(job)d is %(state)s; only dead jobs can be tried again.")
            % {"job": job.pk, "state": job.state}
        )
    return job


def forget(*, done_before: datetime, ticks_before: datetime) -> int:
    """Delete finished jobs: the beats' own after hours, others after days.

    Dead ones stay, for someone to look at; those of beats go too, since the next beat tried again.
    """
    old = Q(state=Job.State.DONE, finished_at__lt=done_before)
    tick = Q(state__in=CLOSED, dedup_key__contains="@", finished_at__lt=ticks_before)
    deleted, _rows = Job.objects.filter(old | tick).delete()
    Worker.objects.filter(seen_at__lt=done_before).delete()
    return deleted


def report_worker(*, name: str, queue: str, pid: int) -> Worker:
    """Note that a worker is alive."""
    moment = datetime.now(UTC)
    worker, _is_new = Worker.objects.update_or_create(
        name=name,
        defaults={"queue": queue, "pid": pid, "seen_at": moment},
        create_defaults={"queue": queue, "pid": pid, "seen_at": moment, "started_at": moment},
    )
    return worker


def retire_worker(*, name: str) -> None:
    """Forget a worker that stopped in order."""
    Worker.objects.filter(name=name).delete()


def workers_alive(*, at: datetime | None = None) -> list[Worker]:
    """Return the workers that reported within the last 15 seconds. One query."""
    since = (at or datetime.now(UTC)) - timedelta(seconds=WORKER_SEEN_S)
    return list(Worker.objects.filter(seen_at__gte=since).order_by("queue", "name"))


def are_alive(queues: Iterable[str]) -> bool:
    """Say whether every named queue has a worker that reported lately. One query."""
    return set(queues) <= {worker.queue for worker in workers_alive()}


def _lease() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=LEASE_S)


def _unpublished(moment: datetime) -> Q:
    unleased = Q(lease_expires_at=None) | Q(lease_expires_at__lt=moment)
    return unleased & Q(state=Job.State.DUE, due_at__lte=moment)


def _held(ticket: Ticket) -> Any:
    return Job.objects.filter(
        pk=ticket.job_id,
        state=Job.State.CLAIMED,
        claimed_by=ticket.owner,
        attempts=ticket.attempt,
    )


def _return(job: Job, *, error: str, delay_s: float) -> Job:
    """Make a claimed job due again, or dead when its tries are used up."""
    moment = datetime.now(UTC)
    attempts, owner = job.attempts, job.claimed_by
    is_dead = attempts >= job.max_attempts
    job.state = Job.State.DEAD if is_dead else Job.State.DUE
    job.due_at = moment + timedelta(seconds=delay_s)
    job.finished_at = moment if is_dead else None
    job.error = error[:ERROR_LENGTH]
    job.claimed_by, job.lease_expires_at = "", None
    # The row may have moved on PostgreSQL since it was read; then the conditions do not hold.
    Job.objects.filter(
        pk=job.pk, state=Job.State.CLAIMED, claimed_by=owner, attempts=attempts
    ).update(
        state=job.state,
        due_at=job.due_at,
        finished_at=job.finished_at,
        error=job.error,
        claimed_by="",
        lease_expires_at=None,
    )
    return job
