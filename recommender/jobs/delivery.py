"""Send jobs to Celery: to a broker, or to the worker's own memory when none is set."""

import time

import structlog
from kombu.exceptions import OperationalError

from recommender.jobs import services
from recommender.jobs.models import Job

log = structlog.get_logger(__name__)

AWAY_S = 5.0
_away_until = 0.0  # per process: nobody waits for a broker that failed a moment ago


def publish(job_id: int) -> bool:
    """Hand a due job to the broker; False when it needs none or the broker is away.

    A failure is no error for the caller: the row stays due, and the scheduler tries again.
    """
    job = services.take_for_publishing(job_id=job_id)
    if job is None:
        return False
    try:
        send(job)
    except (OperationalError, OSError) as error:
        services.untake(job_id=job_id)
        log.warning("broker_away", job=job_id, error=str(error))
        return False
    return True


def publish_after_commit(job_id: int) -> bool:
    """Publish from a request; while the broker is away, leave it to the scheduler at once."""
    global _away_until
    if time.monotonic() < _away_until:
        return False
    _away_until = 0.0
    sent = publish(job_id)
    if not sent:
        _away_until = time.monotonic() + AWAY_S
    return sent


def publish_unpublished() -> int:
    """Hand over every due job that the broker lacks; stop at the first sign that it is away."""
    n = 0
    for job in services.unpublished():
        if bury_if_unknown(job):
            continue
        if not publish(job.pk):
            break
        n += 1
    return n


def send(job: Job) -> None:
    """Write one message. Its id says which try of which job it stands for."""
    from recsite.celery import app

    app.send_task(
        job.task,
        kwargs=job.kwargs,
        queue=job.queue,
        task_id=message_id(job),
        retry=False,
        ignore_result=True,
    )


def bury_if_unknown(job: Job) -> bool:
    """Declare a job dead when no task has its name; a worker would drop its message unseen.

    Only for processes that have loaded the tasks: workers and the scheduler.
    """
    from recsite.celery import app

    if job.task in app.tasks:
        return False
    services.bury(job=job, error=f"No task is called {job.task!r}; is the worker up to date?")
    log.error("unknown_task", job=job.pk, task=job.task)
    return True


def message_id(job: Job) -> str:
    """Return the id of the message for a job's next try.

    >>> message_id(Job(pk=7, attempts=1))
    'job-7-1'
    """
    return f"job-{job.pk}-{job.attempts}"


def read_message_id(task_id: str) -> tuple[int, int] | None:
    """Return the job and its count of tries, or None when the message is not a job's.

    >>> read_message_id("job-7-1")
    (7, 1)
    >>> read_message_id("5f0e") is None
    True
    """
    parts = task_id.split("-")
    if len(parts) != 3 or parts[0] != "job" or not (parts[1] + parts[2]).isdigit():
        return None
    return int(parts[1]), int(parts[2])
