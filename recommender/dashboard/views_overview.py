"""The overview: how things stand, in one sentence, seven tiles and four charts."""

import csv
from datetime import datetime

from django.http import HttpRequest, HttpResponse

from recommender import clock
from recommender.catalog.models import Catalog
from recommender.dashboard import (
    charts_models,
    charts_traffic,
    findings,
    overview,
    queries_data,
    queries_models,
    queries_runs,
    queries_traffic,
)
from recommender.dashboard.access import page, reader, required_scope, scope
from recommender.dashboard.queries_traffic import Traffic, Window, window_of
from recommender.train.models import TrainingRun

RANGES = (7, 28, 90)
TRAFFIC: tuple[Traffic, ...] = ("all", "people", "simulated")
FIRST_ROWS = 8


@reader
def index(request: HttpRequest) -> HttpResponse:
    """Show the overview, or the checklist of the first run."""
    catalog = scope(request)
    setup = queries_data.setup_state(catalog)
    if catalog is None or not setup.is_complete:
        context = {"setup": setup, "steps": _steps(setup)}
        return page(request, "first_run.html", catalog, context, here="overview")
    window = read_window(request, catalog)
    return page(request, "overview.html", catalog, _figures(window), here="overview")


def read_window(request: HttpRequest, catalog: Catalog) -> Window:
    """Read range and traffic from the address; anything else means 28 days of all traffic."""
    asked = request.GET.get("days", "")
    days = int(asked) if asked.isdecimal() and int(asked) in RANGES else 28
    wanted = request.GET.get("traffic", "all")
    traffic: Traffic = next((name for name in TRAFFIC if name == wanted), "all")
    return window_of(catalog, days, clock.now(), traffic)


def _figures(window: Window) -> dict[str, object]:
    catalog = window.catalog
    rows = queries_models.versions(catalog)
    live = next((row for row in rows if row.is_live), None)
    seen = overview.read_traffic(window)
    switches = queries_models.switches(catalog, window.since)
    runs = queries_runs.runs(catalog, most=5)
    alerts = _alerts(window, rows, runs)
    has_worker = queries_runs.worker_seen()
    cards = [
        queries_runs.card_of(run, has_worker=has_worker) for run in runs if run.state in run.ACTIVE
    ]
    return {
        "window": window,
        "days": (window.today - window.first_day).days + 1,
        "ranges": RANGES,
        "traffics": TRAFFIC,
        "verdict": overview.verdict(alerts, live, switches, seen.by_version),
        "tiles": overview.tiles(window, seen, rows),
        "demo_share": seen.demo_share,
        "ctr": charts_traffic.ctr_by_day(seen.rates, switches, window.today),
        "quality": [
            drawn
            for metric in ("precision@10", "ndcg@10")
            if (drawn := charts_models.metric_by_version(rows, metric))
        ],
        "rows": queries_models.with_clicks(rows[:FIRST_ROWS], seen.by_version),
        "metrics": queries_models.SHOWN_METRICS,
        "alerts": [found for found in alerts if found.severity != "info"],
        "cards": cards,
        "imports": queries_runs.running_imports(catalog),
    }


def _alerts(
    window: Window, rows: list[queries_models.VersionRow], runs: list[TrainingRun]
) -> list[findings.Finding]:
    machinery = findings.Machinery(
        has_worker=queries_runs.worker_seen(),
        dead_jobs=tuple(job for job in queries_runs.open_jobs() if job.state == job.State.DEAD),
        live=next((row for row in rows if row.is_live), None),
        last_run=runs[0] if runs else None,
        now=window.until,
    )
    data = findings.about_data(queries_data.data_facts(window))
    return [*findings.about_machinery(machinery), *data]


def _steps(setup: queries_data.SetupState) -> list[tuple[str, bool]]:
    """Name the steps in order, each ticked by what the database holds."""
    return [
        ("items", setup.items > 0),
        ("interactions", setup.interactions > 0),
        ("train", setup.versions > 0),
        ("promote", setup.is_live),
        ("embed", setup.keys > 0),
        ("click", setup.clicks > 0),
    ]


@reader
def ctr_csv(request: HttpRequest) -> HttpResponse:
    """Give CTR by day and version as CSV, for the same range as the page."""
    catalog = required_scope(request)
    window = read_window(request, catalog)
    labels = {row.version.pk: row.label for row in queries_models.versions(catalog)}
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    name = f"ctr-{catalog.slug}-{_stamp(window.until)}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    writer = csv.writer(response)
    writer.writerow(["day", "version", "seen", "clicks", "ctr", "low", "high", "users"])
    for rate in queries_traffic.click_rates(window, "day", "version"):
        bounds = rate.interval
        figures = [f"{value:.6f}" for value in (bounds.value, bounds.low, bounds.high)]
        label = labels.get(rate.version_id or 0, "")
        writer.writerow([rate.day, label, rate.viewed, rate.clicked, *figures, rate.users])
    return response


def _stamp(at: datetime) -> str:
    return at.strftime("%Y%m%d")
