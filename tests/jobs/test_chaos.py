"""Real workers, really killed. Each site has its own SQLite file."""

import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.jobs.site import Site, kill, make_site, wait_until

pytestmark = pytest.mark.chaos
SCRIPT = "tests/jobs/run_worker.py"


def enqueue(site: Site, task: str, max_attempts: int = 3, **kwargs: object) -> int:
    """Write a job's row from outside; `enqueue` in Python costs a second of imports."""
    past = "2020-01-01 00:00:00"
    row = (task, json.dumps(kwargs), "default", "", "due", past, "", 0, max_attempts, "", past)
    names = "task, kwargs, queue, dedup_key, state, due_at, claimed_by, attempts, max_attempts"
    statement = f"""INSERT INTO recommender_job ({names}, error, created_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"""
    return int(site.sql(statement, *row)[0][0])


def enqueue_in_python(site: Site, task: str, **kwargs: object) -> int:
    return int(
        site.run(f"""
        from recommender.jobs.services import enqueue
        result = enqueue({task!r}, **{kwargs!r}).pk
        """)
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def job(site: Site, pk: int) -> tuple[str, int, str]:
    """Return a job's state, tries and error."""
    return site.sql("SELECT state, attempts, error FROM recommender_job WHERE id = ?", pk)[0]


def state(site: Site, pk: int) -> str:
    return job(site, pk)[0]


def let_time_pass(site: Site) -> None:
    """Lapse what a dead worker has leased, and bring near what is put off."""
    past = "2020-01-01 00:00:00"
    site.sql("UPDATE recommender_job SET lease_expires_at = ? WHERE state = 'claimed'", past)
    site.sql("UPDATE recommender_job SET due_at = ? WHERE state = 'due'", past)


@pytest.fixture(scope="module")
def busy(tmp_path_factory, blank_site) -> Iterator[Site]:
    """One site whose worker lives through three tests."""
    made = make_site(tmp_path_factory.mktemp("busy") / "data", blank_site)
    made.start(SCRIPT, "default")
    yield made
    assert made.processes[0].poll() is None, "the worker itself must have lived on"
    made.stop()


def test_a_killed_pool_childs_job_runs_again_within_seconds(busy):
    pk = enqueue(busy, "test.sleep", seconds=1.0)
    wait_until(lambda: busy.notes("began"), 20)
    kill(int(busy.notes("began")[0][1]))
    assert wait_until(lambda: len(busy.notes("began")) == 2, 15) < 10
    wait_until(lambda: state(busy, pk) == "done", 15)
    assert (len(busy.notes("ended")), job(busy, pk)[1]) == (1, 2)


def test_a_killed_idle_child_does_not_leave_the_worker_deaf(busy):
    enqueue(busy, "test.note", text="before")
    wait_until(lambda: busy.notes("before"), 20)
    kill(int(busy.notes("before")[0][1]))
    enqueue(busy, "test.note", text="after")
    wait_until(lambda: busy.notes("after"), 15)
    assert len(busy.notes("after")) == 1


def test_a_hanging_or_crashing_task_is_killed_and_the_queue_drains(busy):
    poisoned = [
        enqueue(busy, "test.hang", max_attempts=1),
        enqueue(busy, "test.crash", max_attempts=1),
    ]
    last = enqueue(busy, "test.note", text="last")
    wait_until(lambda: state(busy, last) == "done", 30)
    wait_until(lambda: all(state(busy, pk) == "dead" for pk in poisoned), 20)
    assert "TimeLimitExceeded" in job(busy, poisoned[0])[2]
    assert "Its process was killed (code -9)" in job(busy, poisoned[1])[2]


def test_a_killed_workers_job_is_finished_once_by_the_next_worker(site):
    pk = enqueue(site, "test.sleep", seconds=1.0)
    worker = site.start(SCRIPT, "default")
    wait_until(lambda: site.notes("began"), 20)
    child = int(site.notes("began")[0][1])
    kill(worker.pid)
    worker.wait()
    let_time_pass(site)
    started = time.time()
    site.start(SCRIPT, "default")
    wait_until(lambda: state(site, pk) == "due", 20)
    let_time_pass(site)
    wait_until(lambda: state(site, pk) == "done", 40)
    assert time.time() - started < 30
    # The orphan left within about a second of its parent's death, or ended in vain: one try counts.
    assert job(site, pk)[1] == 2
    assert int(site.notes("began")[1][1]) != child


def test_a_worker_told_to_stop_puts_a_long_job_back_and_leaves_within_ten_seconds(site):
    pk = enqueue(site, "test.sleep", seconds=20)
    worker = site.start(SCRIPT, "default")
    wait_until(lambda: site.notes("began"), 20)
    asked = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=10) == 0
    assert time.monotonic() - asked < 10
    assert state(site, pk) == "due"
    assert site.sql("SELECT name FROM recommender_worker") == []


def test_a_killed_scheduler_and_two_at_once_make_one_job_per_tick(site):
    first = site.start(SCRIPT, "scheduler")
    second = site.start(SCRIPT, "scheduler")
    keys = "SELECT dedup_key FROM recommender_job"
    wait_until(lambda: len(site.sql(keys)) >= 3, 20)
    kill(first.pid)
    third = site.start(SCRIPT, "scheduler")
    reported = "SELECT name FROM recommender_worker WHERE pid = ?"
    wait_until(lambda: site.sql(reported, third.pid), 20)
    second.send_signal(signal.SIGTERM)
    second.wait(timeout=10)
    found = site.sql(keys)
    assert len(found) == len(set(found))


def test_an_unreachable_broker_neither_fails_nor_delays_who_enqueues(site):
    seconds, found = site.run(
        """
        import time
        from recommender.jobs.services import enqueue
        started = time.monotonic()
        job = enqueue("recommender.cleanup")
        job.refresh_from_db()
        result = [time.monotonic() - started, job.state]
        """,
        BROKER_URL="redis://127.0.0.1:1/0",
    )
    assert seconds < 1
    assert found == "due"


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_with_a_broker_that_dies_and_forgets_every_job_runs_once(site):
    port = free_port()
    redis = ["redis-server", "--port", str(port), "--save", "", "--dir", str(site.folder)]
    site.environment["BROKER_URL"] = f"redis://127.0.0.1:{port}/0"
    broker = subprocess.Popen([*redis, "--loglevel", "warning"])
    site.processes.append(broker)
    site.start(SCRIPT, "scheduler")
    site.start(SCRIPT, "default")
    first = enqueue_in_python(site, "test.note", text="first")
    wait_until(lambda: state(site, first) == "done", 20)
    kill(broker.pid)
    broker.wait()
    second = enqueue_in_python(site, "test.note", text="second")
    assert state(site, second) == "due"
    site.processes.append(subprocess.Popen([*redis, "--loglevel", "warning"]))
    assert wait_until(lambda: state(site, second) == "done", 30) < 30
    assert (len(site.notes("first")), len(site.notes("second"))) == (1, 1)
    crash = enqueue_in_python(site, "test.crash", max_attempts=1)
    wait_until(lambda: state(site, crash) == "dead", 20)
    last = enqueue_in_python(site, "test.note", text="last")
    wait_until(lambda: state(site, last) == "done", 20)
    dead = site.sql("SELECT id FROM recommender_job WHERE state = 'dead'")
    assert dead == [(crash,)]
