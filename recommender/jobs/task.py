"""The base of every task: it runs a try of a job, once, and writes to the row how it ended."""

from queue import SimpleQueue
from typing import Any, NamedTuple

import structlog
from celery import Task, current_task
from celery.worker.request import Request

from recommender.jobs import delivery, services

log = structlog.get_logger(__name__)


class Ended(NamedTuple):
    """A message whose process could not write how its job ended, as the worker's parent saw it."""

    job_id: int
    attempts: int
    error: str


ended: SimpleQueue[Ended] = SimpleQueue()  # from the parent's main thread to its keeper


class JobRequest(Request):
    """What the parent process of a worker knows about a message that a child works on."""

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        """Pass on that the child died, was killed at its limit, or could not reach the database."""
        error = exc_info.exception
        self._pass_on(_words(getattr(error, "exc", error)))  # billiard wraps what it sends
        return super().on_failure(exc_info, *args, **kwargs)

    def _pass_on(self, error: str) -> None:
        read = delivery.read_message_id(self.id)
        if read:
            ended.put(Ended(*read, error))


class JobTask(Task[..., Any]):
    """A task behind a job row. Called as a plain function it just runs."""

    abstract = True
    Request = "recommender.jobs.task:JobRequest"
    acks_late = False  # the row brings a job back, not the broker

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run one try if it is still wanted, and write how it ended."""
        request = self.request
        read = None if request.called_directly else delivery.read_message_id(request.id or "")
        if read is None:
            return self.run(*args, **kwargs)
        job_id, attempts = read
        ticket = services.begin(job_id=job_id, attempts=attempts, owner=str(request.hostname))
        if ticket is None:
            log.info("job_not_wanted", job=job_id, task=self.name)
            return None
        try:
            self.run(*args, **kwargs)
        except Exception as error:
            log.exception("job_failed", job=job_id, task=self.name, attempt=ticket.attempt)
            services.fail(ticket=ticket, error=_words(error))
        else:
            services.finish(ticket=ticket)
        return None


def current_job() -> str:
    """Return the name of the job at work, such as `job 7`; `no job` outside of one."""
    task_id = current_task.request.id if current_task else None
    read = delivery.read_message_id(task_id or "")
    return f"job {read[0]}" if read else "no job"


def _words(error: Exception) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
