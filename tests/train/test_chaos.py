"""A real trainer, really killed: the run finishes once, and the live model stays meanwhile."""

import time
from collections.abc import Iterator

import pytest

from tests.jobs.site import Site, kill, make_site, wait_until

pytestmark = pytest.mark.chaos
PAST = "2020-01-01 00:00:00"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Site:
    """Return a site with a live popularity model."""
    made = make_site(tmp_path_factory.mktemp("trained") / "data")
    made.run("""
        from recommender.tasks import run_now
        from recommender.train.services import request_run
        from tests.train.world import make_world
        result = run_now(request_run(catalog=make_world(), model="popularity").pk).state
        """)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _no_process_of_another_test(site: Site) -> Iterator[None]:
    """Stop the test's workers: one that lives on would take the next test's run."""
    yield
    site.stop()
    site.processes.clear()


def queue_run(site: Site) -> int:
    """Queue a run of some seconds, and its job."""
    return int(
        site.run("""
        from recommender.catalog.models import Catalog
        from recommender.tasks import queue_run
        from recommender.train.models import TrainingRun
        from recommender.train.services import request_run
        run = request_run(catalog=Catalog.objects.get(), model="matrix_factorization")
        TrainingRun.objects.filter(pk=run.pk).update(config={"epochs": 500})
        queue_run(run)
        result = run.pk
        """)
    )


def run_of(site: Site, pk: int, columns: str) -> tuple:
    return site.sql(f"SELECT {columns} FROM recommender_trainingrun WHERE id = ?", pk)[0]


def is_over(site: Site, pk: int) -> bool:
    return run_of(site, pk, "state")[0] in ("ready", "rejected", "failed")


def trainer_of(parent: int) -> int:
    from pathlib import Path

    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])


def live(site: Site) -> list[tuple]:
    return site.sql("SELECT count(*) FROM recommender_modelversion WHERE state = 'live'")


def check_finished_once(site: Site, pk: int) -> None:
    state, attempts, version = run_of(site, pk, "state, attempts, model_version_id")
    assert state in ("ready", "rejected")
    assert attempts == 2
    decisions = site.sql("SELECT id FROM recommender_promotion WHERE version_id = ?", version)
    assert len(decisions) == 1
    jobs = site.sql("SELECT state FROM recommender_job WHERE dedup_key = ?", f"run:{pk}")
    assert jobs == [("done",)]


def test_a_killed_trainer_is_replaced_within_seconds_and_the_run_finishes_once(site):
    pk = queue_run(site)
    worker = site.start("manage.py", "worker", "--queue", "learning")
    wait_until(lambda: run_of(site, pk, "epoch")[0] >= 2, 30)
    kill(trainer_of(worker.pid))
    killed = time.monotonic()
    wait_until(lambda: run_of(site, pk, "attempts")[0] == 2, 20)
    assert time.monotonic() - killed < 90
    assert live(site) == [(1,)]
    wait_until(lambda: is_over(site, pk), 30)
    wait_until(lambda: not site.sql("SELECT 1 FROM recommender_job WHERE state = 'claimed'"), 10)
    check_finished_once(site, pk)
    worker.terminate()
    assert worker.wait(timeout=10) == 0


def test_a_killed_worker_leaves_a_lost_run_that_the_next_worker_finishes(site):
    pk = queue_run(site)
    worker = site.start("manage.py", "worker", "--queue", "learning")
    wait_until(lambda: run_of(site, pk, "epoch")[0] >= 2, 30)
    kill(worker.pid)
    worker.wait()
    assert live(site) == [(1,)]
    # Thirty silent seconds pass: the lease of the run and that of its job lapse.
    update = "UPDATE recommender_trainingrun SET heartbeat_at = ?, lease_expires_at = ?"
    site.sql(f"{update} WHERE id = ?", PAST, PAST, pk)
    site.sql("UPDATE recommender_job SET lease_expires_at = ? WHERE state = 'claimed'", PAST)
    site.start("manage.py", "scheduler")
    wait_until(lambda: run_of(site, pk, "state")[0] == "lost", 20)
    site.sql("UPDATE recommender_job SET due_at = ? WHERE dedup_key = ?", PAST, f"run:{pk}")
    site.start("manage.py", "worker", "--queue", "learning")
    wait_until(lambda: is_over(site, pk), 40)
    wait_until(lambda: not site.sql("SELECT 1 FROM recommender_job WHERE state = 'claimed'"), 10)
    check_finished_once(site, pk)
