"""Let a run die at every named place and at every disk write, and pick it up again. Not a test.

Run with Django's environment set; writes one JSON object: place → what was found afterwards.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.db import connections  # noqa: E402

from recommender.ml.models import MODELS  # noqa: E402 - load torch once, cold, before forking
from recommender.promote import shelf  # noqa: E402
from recommender.promote.evidence import fault_of  # noqa: E402
from recommender.promote.models import ModelVersion, Promotion  # noqa: E402
from recommender.tasks import run_now  # noqa: E402
from recommender.train import failpoints  # noqa: E402
from recommender.train.models import TrainingRun  # noqa: E402
from recommender.train.services import request_run  # noqa: E402
from tests.train.test_failpoints import PLACES  # noqa: E402
from tests.train.world import make_world  # noqa: E402

assert MODELS
PAST = "2020-01-01T00:00:00+00:00"


def in_child(work: Callable[[], Any]) -> int:
    """Fork, work, and return the exit code."""
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def die_at(place: str) -> None:
    """Arm a named place, or the n-th call of a system call."""
    if place in failpoints.NAMES:
        os.environ[failpoints.VARIABLE] = place
        return
    name, number = place.split()
    real, left = getattr(os, name), [int(number)]

    def counted(*arguments: Any, **options: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            os._exit(failpoints.EXIT_CODE)
        return real(*arguments, **options)

    setattr(os, name, counted)


def crash_and_recover(catalog: Any, place: str) -> dict[str, Any]:
    """Die at a place, let the lease lapse, run again, and look at what is there."""
    run = request_run(catalog=catalog, model="popularity")

    def first() -> None:
        die_at(place)
        run_now(run.pk)

    code = in_child(first)
    mid = ModelVersion.objects.live().count()
    TrainingRun.objects.filter(pk=run.pk).update(lease_expires_at=PAST, heartbeat_at=PAST)
    run.refresh_from_db()
    again = 0 if run.state in ("ready", "rejected") else in_child(lambda: run_now(run.pk))
    run.refresh_from_db()
    shelf.remove_orphans(now=time.time() + 7200)
    versions = ModelVersion.objects.filter(catalog=catalog)
    folders = {str(folder) for folder in Path(settings.ARTIFACTS_DIR).glob("*/*")}
    return {
        "code": code,
        "again": again,
        "live_after_crash": mid,
        "live": ModelVersion.objects.live().count(),
        "state": run.state,
        "error": run.error,
        "attempts": run.attempts,
        "snapshots": run.catalog.snapshots.count(),
        "versions": versions.filter(run=run).count(),
        "decisions": Promotion.objects.filter(version=run.model_version).count(),
        "fault": fault_of(versions.get(state="live")),
        "strays": sorted(folders ^ set(versions.values_list("path", flat=True))),
    }


def main() -> None:
    catalog = make_world(n_users=12, n_items=12)
    first = request_run(catalog=catalog, model="popularity")
    assert in_child(lambda: run_now(first.pk)) == 0
    found = {"snapshots": catalog.snapshots.count()}
    for place in PLACES:
        found[place] = crash_and_recover(catalog, place)
    sys.stdout.write("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
