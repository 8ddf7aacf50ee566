"""Searches for settings: start one, watch its trials, train with what it found."""

import csv

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from recommender.dashboard import charts_search, queries_runs, queries_search, search_words
from recommender.dashboard.access import attempt, back_to, operator, page, reader, required_scope
from recommender.dashboard.queries_runs import RunCard
from recommender.dashboard.queries_search import SearchCard, last_of
from recommender.jobs import services as jobs
from recommender.train import services as train
from recommender.train.models import TrainingRun

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


def show(request: HttpRequest, card: RunCard, status: dict[str, object]) -> HttpResponse:
    """Render the page of a search."""
    found = queries_search.search_card(card.run)
    report = found.search.report
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
    }
    return page(request, "search.html", card.run.catalog, context, here="jobs")


def _side_by_side(card: SearchCard, found: dict[str, object]) -> list[tuple[str, object, object]]:
    """Return (setting, by default, found) for each setting of the space."""
    default = card.trials[0].settings if card.trials else {}
    return [(name, default.get(name), found.get(name)) for name in card.space]


@reader
def trials(request: HttpRequest, run_id: int) -> HttpResponse:
    """Answer the table of trials, which the page's script renews after each."""
    found = queries_search.search_card(queries_runs.run_card(run_id).run)
    return render(request, "dashboard/_trials.html", {"found": found})


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
