"""What the loop and the parts behind the web process are doing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max
from django.utils.translation import gettext as _

from recommender import clock
from recommender.catalog.models import Catalog
from recommender.jobs.models import Job
from recommender.jobs.services import workers_alive
from recommender.promote.models import ModelVersion
from recommender.train.trigger import News, count_positives, reason_to_train

LEARNING_TASKS = ("recommender.train", "recommender.consider_retraining")


@dataclass(frozen=True)
class Check:
    """Whether one part works, and if not, what to do."""

    name: str
    is_ok: bool
    detail: str


def checks(at: datetime) -> list[Check]:
    """Check database, live model and worker. Two queries; a dead database raises."""
    live = list(ModelVersion.objects.live())
    broken = [version for version in live if version.broken_reason]
    if broken:
        text = _("The live model %(name)s is broken: %(why)s")
        model = Check("model", False, text % {"name": broken[0], "why": broken[0].broken_reason})
    elif live:
        model = Check("model", True, ", ".join(version.label for version in live))
    else:
        model = Check("model", False, _("No model is live yet; start a training run."))
    workers = workers_alive(at=at)
    worker = (
        Check("worker", True, ", ".join(worker.name for worker in workers))
        if workers
        else Check("worker", False, _("No worker reported lately; start one with `make worker`."))
    )
    return [Check("database", True, "ok"), model, worker]


def loop(catalog: Catalog) -> Mapping[str, Any]:
    """Describe the loop of one catalog. Eight queries at most."""
    open_runs = [str(run.pk) for run in catalog.runs.active().order_by("pk")]
    live = catalog.versions.live().first()
    gate = catalog.promotions.select_related("version").order_by("-pk").first()
    is_settled = not open_runs and not has_open_jobs() and not due_trigger(catalog)
    # Events are joined to their slates in the transaction that stores them, so none ever waits.
    watermark = catalog.events.aggregate(newest=Max("received_at"))["newest"]
    return {
        "now": clock.now(),
        "settled": is_settled,
        "watermark": watermark,
        "open_runs": open_runs,
        "live_version": live.label if live else None,
        "last_gate": gate
        and {
            "action": gate.action,
            "version": gate.version.label,
            "actor": gate.actor,
            "reason": gate.reason,
            "created_at": gate.created_at,
        },
    }


def has_open_jobs() -> bool:
    """Say whether a job that may change what is live waits or runs. One query."""
    states = (Job.State.DUE, Job.State.CLAIMED)
    return Job.objects.filter(task__in=LEARNING_TASKS, state__in=states).exists()


def due_trigger(catalog: Catalog) -> str:
    """Return why a retraining is due, or nothing. Three queries at most."""
    last = catalog.runs.newest_first().first()
    live = catalog.versions.live().select_related("snapshot").first()
    if last is None or live is None:
        return ""
    at = clock.now()
    news = News(
        n_events=count_positives(catalog, since=live.snapshot.watermark_to),
        n_trained_on=live.snapshot.n_events,
        age=at - live.snapshot.watermark_to,
        since_last_run=at - (last.finished_at or last.created_at),
    )
    return reason_to_train(news)
