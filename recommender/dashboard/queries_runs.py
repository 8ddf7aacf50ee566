"""Read training runs, the jobs behind them, and how long such runs took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from recommender import clock
from recommender.catalog.models import Catalog, ImportRun
from recommender.collect.models import Event
from recommender.errors import Missing
from recommender.jobs.models import Job, Worker
from recommender.train.models import TrainingRun

LOST_AFTER = timedelta(seconds=30)  # no heartbeat for so long: the page says that the run is lost
WORKER_SEEN = timedelta(seconds=60)
LOG_TAIL = 40


@dataclass(frozen=True)
class RunCard:
    """A run and what the page says about it."""

    run: TrainingRun
    is_active: bool
    is_lost: bool
    has_worker: bool
    elapsed_s: float
    best_epoch: int | None
    best: float | None
    latest: float | None
    log_tail: tuple[str, ...]

    @property
    def percent(self) -> int:
        """Return the share done as a whole percentage."""
        return round(100 * self.run.progress)


@dataclass(frozen=True)
class RetrainPlan:
    """What a retraining started now would read, and how long it may take."""

    n_events: int
    first_at: datetime | None
    last_at: datetime | None
    active: TrainingRun | None
    median_s: Mapping[str, float]  # by model, of the last finished runs
    has_worker: bool


def run_card(run_id: int, *, now: datetime | None = None) -> RunCard:
    """Read one run, live. Two queries.

    Raises: Missing when there is no such run.
    """
    run = (
        TrainingRun.objects.select_related(
            "catalog", "model_version", "snapshot", "base_version", "search", "teacher"
        )
        .filter(pk=run_id)
        .first()
    )
    if run is None:
        raise Missing(f"There is no run {run_id}; see the list of jobs.")
    return card_of(run, has_worker=worker_seen(), now=now)


def card_of(run: TrainingRun, *, has_worker: bool, now: datetime | None = None) -> RunCard:
    """Work out what a run's row implies; `now` is real time, as heartbeats are."""
    now = now or datetime.now(UTC)
    is_active = run.state in TrainingRun.ACTIVE
    beat = run.heartbeat_at
    is_silent = run.state in TrainingRun.WORKING and beat is not None and now - beat > LOST_AFTER
    epoch, best = best_of(run.history)
    scores = [row.get("validation") for row in run.history if row.get("validation") is not None]
    return RunCard(
        run=run,
        is_active=is_active,
        is_lost=run.state == TrainingRun.State.LOST or is_silent,
        has_worker=has_worker,
        elapsed_s=_elapsed(run),
        best_epoch=epoch,
        best=best,
        latest=scores[-1] if scores else None,
        log_tail=tuple(run.log.splitlines()[-LOG_TAIL:]),
    )


def _elapsed(run: TrainingRun) -> float:
    """Return how long a run has taken, in product time, as its row keeps both ends."""
    if run.started_at is None:
        return 0.0
    return max(0.0, ((run.finished_at or clock.now()) - run.started_at).total_seconds())


def best_of(history: Sequence[Mapping[str, Any]]) -> tuple[int | None, float | None]:
    """Find the first epoch with the highest validation score; (None, None) before the first."""
    scored = [row for row in history if row.get("validation") is not None]
    if not scored:
        return None, None
    best = max(scored, key=lambda row: (row["validation"], -row["epoch"]))
    return int(best["epoch"]), float(best["validation"])


def worker_seen(*, now: datetime | None = None) -> bool:
    """Tell whether any worker reported within the last minute. One query."""
    since = (now or datetime.now(UTC)) - WORKER_SEEN
    return Worker.objects.filter(seen_at__gte=since).exists()


def runs(catalog: Catalog, *, most: int = 50) -> list[TrainingRun]:
    """List runs, newest first. One query."""
    rows = TrainingRun.objects.filter(catalog=catalog).select_related("model_version")
    return list(rows.defer("log").newest_first()[:most])


def active_run(catalog: Catalog) -> TrainingRun | None:
    """Find the run that is queued or at work. One query."""
    return TrainingRun.objects.filter(catalog=catalog).active().first()


def running_imports(catalog: Catalog) -> list[ImportRun]:
    """List imports on their way. One query."""
    running = ImportRun.State.RUNNING
    return list(ImportRun.objects.filter(catalog=catalog, state=running).order_by("-id"))


def open_jobs(*, most: int = 50) -> list[Job]:
    """List jobs that wait, work or died, newest first. One query."""
    states = [Job.State.DUE, Job.State.CLAIMED, Job.State.DEAD]
    return list(Job.objects.filter(state__in=states).order_by("-id")[:most])


def workers(*, now: datetime | None = None) -> list[Worker]:
    """List workers seen within the last ten minutes. One query."""
    since = (now or datetime.now(UTC)) - timedelta(minutes=10)
    return list(Worker.objects.filter(seen_at__gte=since).order_by("name"))


def retrain_plan(catalog: Catalog) -> RetrainPlan:
    """Read what a retraining would use. Five queries."""
    events = Event.objects.filter(catalog=catalog).exclude(type="impression")
    by_time = events.order_by("occurred_at").values_list("occurred_at", flat=True)
    return RetrainPlan(
        n_events=events.count(),
        first_at=by_time.first(),
        last_at=by_time.last(),
        active=active_run(catalog),
        median_s=_median_times(catalog),
        has_worker=worker_seen(),
    )


def _median_times(catalog: Catalog) -> dict[str, float]:
    finished = TrainingRun.objects.filter(
        catalog=catalog,
        state__in=[TrainingRun.State.READY, TrainingRun.State.REJECTED],
        started_at__isnull=False,
        finished_at__isnull=False,
    ).values_list("model", "started_at", "finished_at")
    spent: dict[str, list[float]] = {}
    for model, started, ended in finished.order_by("-id")[:30]:
        if started and ended:
            spent.setdefault(model, []).append((ended - started).total_seconds())
    return {model: median(times[:5]) for model, times in spent.items()}
