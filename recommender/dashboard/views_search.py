"""Searches for settings: start one, watch its trials, train with what it found."""

import csv
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from recommender.dashboard import (
    charts_search,
    queries_runs,
    queries_search,
    search_words,
    words,
)
from recommender.dashboard.access import attempt, back_to, operator, page, reader, required_scope
from recommender.dashboard.queries_runs import RunCard
from recommender.dashboard.queries_search import SearchCard, last_of
from recommender.jobs import services as jobs
from recommender.train import adopted
from recommender.train import services as train
from recommender.train.models import TrainingRun

MOST_TRIALS_SHOWN = 20
NOT_A_NUMBER = -1  # for texts: out of bounds, so the service says what is expected


@operator
def start(request: HttpRequest) -> HttpResponse:
    """Queue a search."""
    catalog = required_scope(request)
    made: list[TrainingRun] = []

    def act() -> str:
        wish = train.SearchWish(
            minutes=_whole(request.POST.get("minutes", "")),
            model=request.POST.get("model") or None,
        )
        with transaction.atomic():
            run = train.request_search(
                catalog=catalog, wish=wish, requested_by=request.user.get_username()
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


@operator
def train_found(request: HttpRequest, run_id: int) -> HttpResponse:
    """Queue a training with the settings that a search found; the gate decides as always."""
    found = queries_runs.run_card(run_id).run
    made: list[TrainingRun] = []

    def act() -> str:
        with transaction.atomic():
            run = train.train_found(run=found, requested_by=request.user.get_username())
            _enqueue(run)
        made.append(run)
        return _("Run %(id)s is queued.") % {"id": run.pk}

    attempt(request, act)
    return redirect("dashboard:run", run_id=made[0].pk if made else run_id)


@operator
def adopt(request: HttpRequest, run_id: int) -> HttpResponse:
    """Make what a search found the catalog's settings."""
    found = queries_runs.run_card(run_id).run

    def act() -> str:
        adopted.adopt(
            run=found, actor=request.user.get_username(), reason=_("decided in the panel")
        )
        return _("From now on %(model)s trains from scratch with these settings.") % {
            "model": words.word(words.MODELS, found.model)
        }

    attempt(request, act)
    return redirect("dashboard:run", run_id=run_id)


@operator
def undo_settings(request: HttpRequest, model: str) -> HttpResponse:
    """Go back to the settings that a model was trained with before the newest change."""
    catalog = required_scope(request)

    def act() -> str:
        adopted.undo(
            catalog=catalog,
            model=model,
            actor=request.user.get_username(),
            reason=_("decided in the panel"),
        )
        return _("%(model)s trains from scratch with the settings before.") % {
            "model": words.word(words.MODELS, model)
        }

    attempt(request, act)
    return back_to(request, reverse("dashboard:audit"))


def show(request: HttpRequest, card: RunCard, status: dict[str, object]) -> HttpResponse:
    """Render the page of a search."""
    found = queries_search.search_card(card.run)
    report = found.search.report
    held = adopted.last_change(card.run.catalog, card.run.model) if report else None
    context = {
        "card": card,
        "run": card.run,
        "status": status,
        "found": found,
        "conclusion": search_words.conclusion_of(report),
        "settings": _side_by_side(found, report["settings"]) if report else [],
        "chart": charts_search.trials(found, reverse("dashboard:trials_csv", args=[card.run.pk])),
        "third": charts_search.third_window(report),
        "knobs": charts_search.knobs(found),
        "adopted": held if held and report and held.after == report["settings"] else None,
    } | _table(request, found)
    return page(request, "search.html", card.run.catalog, context, here="jobs")


def _side_by_side(card: SearchCard, found: dict[str, object]) -> list[tuple[str, object, object]]:
    """Return (setting, by default, found) for each setting of the space."""
    default = card.trials[0].settings if card.trials else {}
    return [(name, default.get(name), found.get(name)) for name in card.space]


def _table(request: HttpRequest, card: SearchCard) -> dict[str, Any]:
    """Take the best trials, or with `?all=1` all of them, still the best first."""
    is_all = request.GET.get("all") == "1"
    ranked = card.ranked
    rows = ranked if is_all else ranked[:MOST_TRIALS_SHOWN]
    return {"rows": rows, "is_all": is_all, "n_trials": len(ranked), "n_shown": len(rows)}


@reader
def trials(request: HttpRequest, run_id: int) -> HttpResponse:
    """Answer the table of trials, which the page's script renews after each."""
    found = queries_search.search_card(queries_runs.run_card(run_id).run)
    return render(request, "dashboard/_trials.html", {"found": found} | _table(request, found))


@reader
def trials_csv(request: HttpRequest, run_id: int) -> HttpResponse:  # noqa: ARG001 - a view
    """Give all trials as CSV, one column a setting."""
    card = queries_search.search_card(queries_runs.run_card(run_id).run)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="search-{run_id}.csv"'
    writer = csv.writer(response)
    writer.writerow(["trial", "outcome", "ndcg@10", "last", "seconds", *card.space])
    for trial, settings in card.rows:
        last = last_of(trial)
        figures = [trial.value, last, round(trial.spent_s, 3)]
        writer.writerow([trial.number, trial.outcome, *figures, *settings])
    return response


def _enqueue(run: TrainingRun) -> None:
    jobs.enqueue("recommender.train", queue="learning", dedup_key=f"run:{run.pk}", run_id=run.pk)


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else NOT_A_NUMBER
