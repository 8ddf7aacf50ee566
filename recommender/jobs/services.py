"""Write jobs, hand them out under a lease, and settle how they ended. The rows are the truth."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from recommender.jobs.models import Job, Worker


@dataclass(frozen=True)
class Ticket:
    """The right to run one try of one job; a later try makes it void."""

    job_id: int
    attempt: int
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
    raise NotImplementedError


def revive(*, job: Job) -> Job:
    """Give a dead job its tries back. Raises: Refused when it is not dead."""
    raise NotImplementedError


def workers_alive(*, at: datetime | None = None) -> list[Worker]:
    """Return the workers that reported within the last 15 seconds. One query."""
    raise NotImplementedError
