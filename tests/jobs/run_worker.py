"""Start a worker or the scheduler with tasks that misbehave on purpose. Not a test itself."""

import faulthandler
import os
import signal
import sys
import time

import django

django.setup()
faulthandler.register(signal.SIGUSR2)

from celery import shared_task  # noqa: E402

from recommender.jobs import schedule, worker  # noqa: E402
from recommender.jobs.task import JobTask  # noqa: E402


def note(text: str) -> None:
    with open(os.environ["NOTES"], "a") as file:
        file.write(f"{text} {os.getpid()} {time.time()}\n")


@shared_task(name="test.note", base=JobTask, time_limit=20, soft_time_limit=15)
def write_note(*, text: str) -> None:
    note(text)


@shared_task(name="test.sleep", base=JobTask, time_limit=30, soft_time_limit=25)
def sleep(*, seconds: float) -> None:
    note("began")
    time.sleep(seconds)
    note("ended")


@shared_task(name="test.crash", base=JobTask, time_limit=20, soft_time_limit=15)
def crash() -> None:
    note("crash")
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task(name="test.fail", base=JobTask, time_limit=20, soft_time_limit=15)
def fail() -> None:
    note("fail")
    raise ValueError("the task is poisoned")


@shared_task(name="test.hang", base=JobTask, time_limit=1.5, soft_time_limit=None)
def hang() -> None:
    note("hang")
    while True:
        time.sleep(0.1)


if __name__ == "__main__":
    if sys.argv[1] == "scheduler":
        schedule.run(chore=lambda: None)
    else:
        sys.exit(worker.run(sys.argv[1]))
