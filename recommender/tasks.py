"""Celery tasks: an id in, one service call. Each runs behind a job row (`recommender.jobs`).

What needs torch or an encoder is imported inside the task: the worker's parent imports this module
and must stay cold, since its children are forked.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from recommender.accounts.idempotency import forget_old_replies
from recommender.accounts.limits import forget_old_windows
from recommender.catalog.models import Catalog
from recommender.errors import NotReady, Refused
from recommender.jobs import services as jobs
from recommender.jobs.task import JobTask, current_job
from recommender.promote import shelf
from recommender.serve import budget
from recommender.serve import narration as narrations
from recommender.train import lease as leases
from recommender.train import trigger
from recommender.train.failpoints import hit
from recommender.train.models import TrainingRun

log = structlog.get_logger(__name__)

NICENESS = 10  # training gives way to the web server
DONE_JOBS_KEPT = timedelta(days=7)
TICKS_KEPT = timedelta(hours=2)


def task(name: str, *, minutes: int) -> Callable[[Callable[..., None]], JobTask]:
    """Register a task with a hard time limit and a soft one half a minute before."""
    return shared_task(
        name=f"recommender.{name}",
        base=JobTask,
        time_limit=60 * minutes,
        soft_time_limit=60 * minutes - 30,
    )


@task("train", minutes=180)
def train(*, run_id: int) -> None:
    """Take a run through the loop, if nobody else does."""
    os.nice(max(0, NICENESS - os.nice(0)))
    lease = leases.claim(run_id=run_id, owner=current_job())
    if lease is None:
        log.info("run_not_free", run=run_id)
        return
    work(lease)


@task("embed_items", minutes=30)
def embed_items(*, catalog_id: int | None = None) -> None:
    """Give items their missing content vectors; of one catalog, or of all.

    Raises: NotReady naming, after all others have read, each encoder that could not.
    """
    from recommender.catalog import embed

    problems = [
        f"{catalog}, {modality} encoder: {problem}"
        for catalog in catalogs(catalog_id)
        for modality, problem in embed.embed_catalog(catalog=catalog).items()
    ]
    if problems:
        raise NotReady("\n".join(problems))


@task("narrate", minutes=3)
def narrate(*, narration_id: int) -> None:
    """Have a language model reword one explanation, for the page that waits for it."""
    from recommender.ml.narrators import load_narrator  # may bring torch

    row = narrations.asked(narration_id)
    if row is not None:
        narrations.write(row, lambda: load_narrator(settings.NARRATOR, settings.NARRATOR_API_KEY))


@task("measure_variants", minutes=60)
def measure_variants(*, version_id: int) -> None:
    """Make and measure the variants of a version."""
    from recommender.promote.compressing import measure_all  # brings onnx
    from recommender.promote.models import ModelVersion

    os.nice(max(0, NICENESS - os.nice(0)))
    measure_all(version=ModelVersion.objects.get(pk=version_id))


@task("estimate_version", minutes=30)
def estimate_version(*, version_id: int) -> None:
    """Estimate what a version would have earned."""
    from recommender.estimate.services import estimate_version as estimate
    from recommender.promote.models import ModelVersion

    os.nice(max(0, NICENESS - os.nice(0)))
    estimate(ModelVersion.objects.select_related("catalog").get(pk=version_id))


@task("simulate_visits", minutes=30)
def simulate_visits(*, catalog_id: int, n: int) -> None:
    """Play `n` made-up visits over the last hour; they are labeled as demo data."""
    from recommender import clock
    from recommender.simulate.services import Stretch, simulate

    at = clock.now()
    first = int(at.timestamp())  # draws visits that no earlier stretch drew
    stretch = Stretch(at - timedelta(hours=1), at, visits=n, first_visit=first)
    simulate(catalog=catalogs(catalog_id)[0], stretch=stretch)


@task("consider_retraining", minutes=5)
def consider_retraining() -> None:
    """Queue a run for every catalog that has news enough."""
    for catalog in catalogs():
        with transaction.atomic():
            run = trigger.consider_catalog(catalog=catalog)
            if run is not None:
                queue_run(run)


@task("steer_exploration", minutes=1)
def steer_exploration() -> None:
    """Hold the cost of drawing lists at each catalog's target."""
    for catalog in catalogs():
        tau = budget.steer(catalog)
        if tau is not None:
            log.info("exploration_steered", catalog=catalog.slug, tau=tau)


@task("reap", minutes=1)
def reap() -> None:
    """Queue again the runs whose worker fell silent; the scheduler calls this every 5 seconds."""
    for run in leases.reap():
        queue_run(run, delay_s=3)


@task("cleanup", minutes=5)
def cleanup() -> None:
    """Delete what nobody needs: old replies, rate windows, jobs, artifacts."""
    moment = datetime.now(UTC)
    forget_old_replies()
    forget_old_windows()
    narrations.forget_old(before=moment - narrations.KEPT)
    jobs.forget(done_before=moment - DONE_JOBS_KEPT, ticks_before=moment - TICKS_KEPT)
    for catalog in catalogs():
        shelf.remove_old(catalog=catalog)
    shelf.remove_orphans()


def catalogs(catalog_id: int | None = None) -> list[Catalog]:
    """Return one catalog, or all of them."""
    if catalog_id is not None:
        return [Catalog.objects.get(pk=catalog_id)]
    return list(Catalog.objects.order_by("id"))


def queue_run(run: TrainingRun, *, delay_s: float = 0) -> None:
    """Write the job of a run, unless an open one exists."""
    jobs.enqueue("recommender.train", dedup_key=f"run:{run.pk}", delay_s=delay_s, run_id=run.pk)


def run_now(run_id: int) -> TrainingRun:
    """Take a queued run through the loop in this process. Raises: Refused when it is not free."""
    lease = leases.claim(run_id=run_id, owner=f"process {os.getpid()}")
    if lease is None:
        raise Refused(
            _("Run %(run)d is at work elsewhere or over; look at its page.") % {"run": run_id}
        )
    return work(lease)


def work(lease: leases.Lease) -> TrainingRun:
    """Close the loop, or search, under a lease, and write why if that fails."""
    from recommender import loop  # brings torch

    hit("claim.done")
    run = TrainingRun.objects.select_related("catalog", "snapshot", "base_version", "teacher").get(
        pk=lease.run_id
    )
    try:
        with leases.Heart(lease) as heart:
            if run.mode == TrainingRun.Mode.SEARCH:
                return loop.search_settings(run, heart)
            return loop.close_loop(run, heart)
    except leases.LeaseLost as error:
        log.warning("run_fenced_off", run=lease.run_id, error=str(error))
    except leases.Cancelled:
        leases.finish(lease=lease, state=TrainingRun.State.CANCELLED)
    except SoftTimeLimitExceeded:
        leases.fail(lease=lease, error="It ran into its time limit; train on less, or raise it.")
    except Exception as error:
        log.exception("run_failed", run=lease.run_id)
        leases.fail(lease=lease, error=_words(error))
    return TrainingRun.objects.get(pk=lease.run_id)


def _words(error: Exception) -> str:
    """Return the first line for the card; our own errors speak for themselves."""
    text = (str(error).splitlines() or [""])[0]
    return text if isinstance(error, NotReady | Refused) else f"{type(error).__name__}: {text}"
