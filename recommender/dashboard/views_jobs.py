"""Runs and jobs: what is at work, one run live, start, stop, try again."""

import hashlib
import json
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from recommender.catalog.models import Catalog
from recommender.dashboard import (
    charts_models,
    queries_content,
    queries_models,
    queries_runs,
    search_words,
    views_search,
    words,
)
from recommender.dashboard.access import (
    attempt,
    back_to,
    operator,
    operator_page,
    page,
    reader,
    required_scope,
    scope,
)
from recommender.dashboard.queries_runs import RunCard
from recommender.dashboard.queries_search import search_card
from recommender.dashboard.verdicts import verdict_lines
from recommender.jobs import services as jobs
from recommender.ml.recipes import RECIPES
from recommender.ml.search_space import SPACES
from recommender.promote.models import ModelVersion
from recommender.train import services as train
from recommender.train.adopted import adopted_settings
from recommender.train.models import TrainingRun

SEARCH = TrainingRun.Mode.SEARCH
MOST_DIGITS = 9


@reader
def index(request: HttpRequest) -> HttpResponse:
    """List runs, open jobs, workers, and how far the encoders are."""
    catalog = scope(request)
    context = {
        "runs": queries_runs.runs(catalog) if catalog else [],
        "jobs": queries_runs.open_jobs(),
        "readings": queries_content.readings(catalog) if catalog else [],
        "trouble": queries_content.trouble(),
        "workers": queries_runs.workers(),
        "has_worker": queries_runs.worker_seen(),
    }
    return page(request, "jobs.html", catalog, context, here="jobs")


@reader
def run(request: HttpRequest, run_id: int) -> HttpResponse:
    """Show one run, live while it works."""
    card = queries_runs.run_card(run_id)
    scope(request)
    if card.run.mode == SEARCH:
        return views_search.show(request, card, status_of(card))
    version = card.run.model_version
    row = queries_models.version_row(card.run.catalog, version.number) if version else None
    context = {
        "card": card,
        "run": card.run,
        "status": status_of(card),
        "row": row,
        "verdict": verdict_lines(card.run.verdict),
        "charts": [
            charts_models.validation(card.run.history, card.best_epoch),
            charts_models.losses(card.run.history),
        ],
        "config": sorted(card.run.config.items()),
    }
    return page(request, "run.html", card.run.catalog, context, here="jobs")


@reader
def status(request: HttpRequest, run_id: int) -> HttpResponse:
    """Answer what changes on a run's page; 304 while nothing did."""
    card = queries_runs.run_card(run_id)
    body = status_of(card)
    # Elapsed time grows by itself: the page counts it, so it must not change the tag.
    lasting = {name: value for name, value in body.items() if name != "elapsed_s"}
    text = json.dumps([get_language(), lasting], sort_keys=True)
    etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    unchanged = get_conditional_response(request, etag=etag)
    response = unchanged or JsonResponse(body)
    response["ETag"] = etag
    return response


def status_of(card: RunCard) -> dict[str, Any]:
    """Build the body: the API's fields of a training run, and what the page shows of them."""
    fields = _fields(card)
    if card.run.mode != SEARCH:
        return fields
    fields |= search_words.status_fields(search_card(card.run))
    return fields | {"announcement": announcement(card, fields["epoch_text"])}


def _fields(card: RunCard) -> dict[str, Any]:
    run = card.run
    return {
        "id": str(run.pk),
        "state": run.state,
        "model": run.model,
        "mode": run.mode,
        "search": None,
        "teacher": run.teacher.label if run.teacher else None,
        "epoch": run.epoch,
        "epochs": run.epochs,
        "progress": round(run.progress, 4),
        "metrics": run.metrics,
        "eta_s": run.eta_s,
        "verdict": run.verdict,
        "model_version": run.model_version.label if run.model_version else None,
        "error": run.error,
        "elapsed_s": round(card.elapsed_s, 1),
        "is_active": card.is_active,
        "is_lost": card.is_lost,
        "is_stopping": run.cancel_requested and card.is_active,
        "percent": card.percent,
        "name": name_of(card),
        "title": title_of(card),
        "state_text": words.word(words.RUN_STATES, "lost" if card.is_lost else run.state),
        "epoch_text": epoch_text(card),
        "announcement": announcement(card),
        "eta_text": words.clock_time(run.eta_s) if run.eta_s is not None else "–",
        "speed_text": speed_text(run),
        "best_epoch": card.best_epoch,
        "history": run.history,
        "log": "\n".join(card.log_tail),
    }


def title_of(card: RunCard) -> str:
    """Write the page's title: the share done first, so that a tab shows it."""
    name = name_of(card)
    return f"({card.percent}%) {name}" if card.is_active else name


def name_of(card: RunCard) -> str:
    """Write what the page is about."""
    is_search = card.run.mode == SEARCH
    text = _("Run %(id)s: search, %(model)s") if is_search else _("Run %(id)s: %(model)s")
    return text % {"id": card.run.pk, "model": words.word(words.MODELS, card.run.model)}


def epoch_text(card: RunCard) -> str:
    """Write epoch and validation score, such as “Epoch 6/20 · NDCG@10 0.213 (best 0.214)”."""
    run = card.run
    if not run.epochs:
        return _("waiting for the first epoch") if card.is_active else "–"
    text = _("Epoch %(epoch)s/%(epochs)s") % {"epoch": run.epoch, "epochs": run.epochs}
    if card.latest is None or card.best is None:
        return text
    return text + _(" · validation NDCG@10 %(latest)s (best %(best)s)") % {
        "latest": words.number(card.latest, 3),
        "best": words.number(card.best, 3),
    }


def announcement(card: RunCard, text: str | None = None) -> str:
    """Write what a screen reader says; it changes with the epoch or the state, nothing else."""
    run = card.run
    state = words.word(words.RUN_STATES, "lost" if card.is_lost else run.state)
    if run.state == TrainingRun.State.TRAINING and (run.epochs or run.mode == SEARCH):
        return f"{state}: {text or epoch_text(card)}"
    return state


def speed_text(run: TrainingRun) -> str:
    """Write the throughput."""
    if not run.examples_per_s:
        return "–"
    return _("%(n)s examples/s") % {"n": words.number(run.examples_per_s)}


@operator_page
def start(request: HttpRequest) -> HttpResponse:
    """Show what a retraining would read and how long it takes; a POST starts it."""
    catalog = required_scope(request)
    if request.method == "POST":
        return _start(request)
    plan = queries_runs.retrain_plan(catalog)
    live = queries_models.live_version(catalog)
    chosen = request.GET.get("model") or catalog.default_model
    context = {
        "plan": plan,
        "live": live,
        "chosen": chosen if chosen in RECIPES else next(iter(RECIPES)),
        "recipes": [(recipe, plan.median_s.get(recipe.name)) for recipe in RECIPES.values()],
        "searchable": [
            (recipe, plan.median_s.get(recipe.name))
            for recipe in RECIPES.values()
            if SPACES.get(recipe.name)
        ],
        "teachers": queries_models.teachers(catalog),
        "most_minutes": train.MOST_MINUTES,
    }
    return page(request, "start.html", catalog, context, here="jobs")


def _start(request: HttpRequest) -> HttpResponse:
    catalog = required_scope(request)
    made: list[TrainingRun] = []
    model = request.POST.get("model") or catalog.default_model
    nested = {"matryoshka": 1.0} if request.POST.get("matryoshka") else {}

    def act() -> str:
        with transaction.atomic():
            run = train.request_run(
                catalog=catalog,
                model=model,
                mode=request.POST.get("mode") or "full",
                requested_by=request.user.get_username(),
                config=adopted_settings(catalog, model) | nested if nested else None,
                teacher=_teacher(catalog, request.POST.get("teacher", "")),
            )
            _enqueue(run)
        made.append(run)
        return _("Run %(id)s is queued.") % {"id": run.pk}

    if attempt(request, act):
        return redirect("dashboard:run", run_id=made[0].pk)
    active = queries_runs.active_run(catalog)
    if active:
        return redirect("dashboard:run", run_id=active.pk)
    return back_to(request, reverse("dashboard:start"))


def _teacher(catalog: Catalog, number: str) -> ModelVersion | None:
    """Find the version that was chosen; None for none. Raises: Missing."""
    if not number:
        return None
    is_number = number.isascii() and number.isdigit() and len(number) < MOST_DIGITS
    return queries_models.version_row(catalog, int(number) if is_number else 0).version


def _enqueue(run: TrainingRun) -> None:
    jobs.enqueue("recommender.train", queue="learning", dedup_key=f"run:{run.pk}", run_id=run.pk)


@operator
def cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    """Stop a run."""
    found = queries_runs.run_card(run_id).run

    def act() -> str:
        train.cancel_run(run=found)
        return _("Run %(id)s is being stopped.") % {"id": found.pk}

    attempt(request, act)
    return redirect("dashboard:run", run_id=run_id)


@operator
def retry(request: HttpRequest, run_id: int) -> HttpResponse:
    """Start again with the same parameters."""
    found = queries_runs.run_card(run_id).run
    made: list[TrainingRun] = []

    def act() -> str:
        with transaction.atomic():
            run = train.retry_run(run=found, requested_by=request.user.get_username())
            _enqueue(run)
        made.append(run)
        return _("Run %(id)s is queued.") % {"id": run.pk}

    attempt(request, act)
    return redirect("dashboard:run", run_id=made[0].pk if made else run_id)
