"""Let a search die at every named place, and pick it up again. Not a test.

Run with Django's environment set; writes one JSON object: place → what was found afterwards.
"""

import json
import os
import sys
from typing import Any

import django

django.setup()

from recommender.catalog.models import Catalog  # noqa: E402
from recommender.promote.models import ModelVersion  # noqa: E402
from recommender.tasks import run_now  # noqa: E402
from recommender.train import failpoints  # noqa: E402
from recommender.train.models import TrainingRun  # noqa: E402
from recommender.train.services import SearchWish, request_search  # noqa: E402
from tests.train.fashion import make_fashion  # noqa: E402
from tests.train.sweep import PAST, in_child  # noqa: E402


def crash_and_recover(catalog: Catalog, place: str) -> dict[str, Any]:
    """Search, dying at a place if one is named; run it again, and look at what is there."""
    wish = SearchWish(minutes=60, model="matrix_factorization", max_trials=3)
    run = request_search(catalog=catalog, wish=wish)

    def first() -> None:
        os.environ[failpoints.VARIABLE] = place
        run_now(run.pk)

    code = in_child(first)
    kept = run.search.trials.count()
    spent = type(run.search).objects.get(run=run).spent_s
    TrainingRun.objects.filter(pk=run.pk).update(lease_expires_at=PAST, heartbeat_at=PAST)
    run.refresh_from_db()
    again = 0 if run.state == "done" else in_child(lambda: run_now(run.pk))
    run.refresh_from_db()
    run.search.refresh_from_db()
    rows = run.search.trials.in_order()
    return {
        "code": code,
        "again": again,
        "kept": kept,
        "state": run.state,
        "error": run.error,
        "trials": [[t.number, t.settings, t.outcome, t.value, t.by_epoch] for t in rows],
        "report": run.search.report,
        "spent_grew": run.search.spent_s >= spent,
        "versions": ModelVersion.objects.count(),
    }


def main() -> None:
    catalog = make_fashion(n_users=10)
    places = ("", *failpoints.OF_SEARCH)
    found = {place: crash_and_recover(catalog, place) for place in places}
    sys.stdout.write("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
