"""Versions: the table, one version, two side by side; promote, roll back, discard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from recommender.dashboard import charts_models, queries_models, queries_traffic, words
from recommender.dashboard.access import attempt, back_to, operator, page, reader, required_scope
from recommender.dashboard.cold import ColdLine, cold_start
from recommender.dashboard.estimates import estimated
from recommender.dashboard.queries_models import Figure, VersionRow, read_figure
from recommender.dashboard.variants import variants_of
from recommender.dashboard.verdicts import verdict_lines
from recommender.dashboard.views_overview import read_window
from recommender.errors import Refused
from recommender.promote import services as promote_services

CURVES = ("ndcg", "precision", "recall")
COMPARED = ("ndcg@10", "precision@10", "recall@10", "coverage@10", "gini@10", "novelty@10")


@dataclass(frozen=True)
class Gap:
    """B minus A on one metric. `is_paired`: both were judged on the same users."""

    name: str
    a: Figure | None
    b: Figure | None
    value: float
    low: float | None
    high: float | None
    is_paired: bool
    is_flattered: bool = False  # the one compared with had seen part of the window

    @property
    def is_clear(self) -> bool:
        """Tell whether the interval leaves out zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def is_good(self) -> bool | None:
        """Tell whether B is better; None when that is not clear."""
        if not self.is_clear:
            return None
        return (self.value > 0) != words.is_lower_better(self.name)

    @property
    def text(self) -> str:
        """Write the difference with its sign."""
        return words.signed(self.value, 3)

    @property
    def interval(self) -> str:
        """Write the interval of the difference."""
        if self.low is None or self.high is None:
            return ""
        return f"{words.signed(self.low, 3)} … {words.signed(self.high, 3)}"


@dataclass(frozen=True)
class SegmentLine:
    """One group of users in a segment table; groups below 50 users are greyed."""

    name: str
    n: int
    figures: Sequence[Figure | None]

    @property
    def is_small(self) -> bool:
        """Tell whether too few users stand behind the figures."""
        return self.n < 50


@reader
def index(request: HttpRequest) -> HttpResponse:
    """List the versions."""
    catalog = required_scope(request)
    window = read_window(request, catalog)
    rates = queries_traffic.click_rates(window, "version")
    rows = queries_models.with_clicks(queries_models.versions(catalog), rates)
    live = next((row for row in rows if row.is_live), None)
    other = next((row for row in rows if row is not live and row.measured), None)
    context = {
        "rows": rows,
        "metrics": queries_models.SHOWN_METRICS,
        "live": live,
        "other": other,
        "can_roll_back": live is not None and any(row.version.retired_at for row in rows),
    }
    return page(request, "models.html", catalog, context, here="models")


@reader
def detail(request: HttpRequest, number: int) -> HttpResponse:
    """Show one version: what it is, what was measured, what was decided."""
    catalog = required_scope(request)
    row = queries_models.version_row(catalog, number)
    measured = row.measured
    drawn = [
        chart
        for metric in CURVES
        if measured and (chart := charts_models.by_k([(row.label, measured.by_k)], metric))
    ]
    context = {
        "row": row,
        "config": sorted(row.version.config.items()),
        "metrics": sorted(measured.metrics.items()) if measured else [],
        "baselines": _baseline_table(row),
        "segments": segment_lines(row),
        "segment_metrics": SEGMENT_METRICS,
        "cold": cold_start(measured),
        "variants": variants_of(row.version),
        "estimated": estimated(row.version),
        "charts": drawn,
        "chances": [charts_models.came_true(c) for c in queries_models.chances_of(row.version)],
        "decisions": queries_models.decisions_about(row.version),
        "verdict": verdict_lines(row.run.verdict if row.run else None),
    }
    return page(request, "model.html", catalog, context, here="models")


SEGMENT_METRICS = ("ndcg@10", "precision@10", "recall@10")


def _baseline_table(row: VersionRow) -> list[tuple[str, list[Figure | None]]]:
    if row.measured is None:
        return []
    return [
        (name, [table.get(metric) for metric in SEGMENT_METRICS])
        for name, table in row.measured.baselines.items()
    ]


def segment_lines(row: VersionRow) -> list[SegmentLine]:
    """Read the segments of a version's newest evaluation."""
    if row.measured is None:
        return []
    return [
        SegmentLine(
            name=words.word(words.SEGMENTS, name),
            n=int(table.get("n") or 0),
            figures=[read_figure(table.get(metric)) for metric in SEGMENT_METRICS],
        )
        for name, table in row.measured.segments.items()
    ]


@reader
def compare(request: HttpRequest) -> HttpResponse:
    """Set two versions side by side; A is the live one unless the address says otherwise."""
    catalog = required_scope(request)
    rows = queries_models.versions(catalog)
    a = _chosen(rows, request.GET.get("a", "")) or next((r for r in rows if r.is_live), None)
    b = _chosen(rows, request.GET.get("b", ""))
    if b is None:
        b = next((row for row in rows if row is not a and row.measured), None)
    context: dict[str, Any] = {"rows": rows, "a": a, "b": b}
    if a and b and a.measured and b.measured:
        curves = [(a.label, a.measured.by_k), (b.label, b.measured.by_k)]
        gaps = [gap for name in COMPARED if (gap := gap_of(a, b, name))]
        context |= {
            "gaps": gaps,
            "verdict": _sentence(a, b, gaps),
            "same_window": a.measured.snapshot_id == b.measured.snapshot_id,
            "charts": [c for metric in CURVES if (c := charts_models.by_k(curves, metric))],
            "config": config_diff(a.version.config, b.version.config),
            "segments": list(zip(segment_lines(a), segment_lines(b), strict=False)),
            "segment_metrics": SEGMENT_METRICS,
            "cold": _cold_pairs(a, b),
        }
    return page(request, "compare.html", catalog, context, here="models")


def _cold_pairs(a: VersionRow, b: VersionRow) -> list[tuple[ColdLine, ColdLine]]:
    """Pair the lines of two evaluations; none unless both judged newcomers and new items."""
    first, second = cold_start(a.measured), cold_start(b.measured)
    return list(zip(first.lines, second.lines, strict=False)) if first and second else []


def _chosen(rows: Sequence[VersionRow], label: str) -> VersionRow | None:
    number = label.removeprefix("v")
    return next((row for row in rows if str(row.version.number) == number), None)


def gap_of(a: VersionRow, b: VersionRow, name: str) -> Gap | None:
    """Find B − A: the paired difference where one was judged against the other, else apart.

    Apart: both intervals joined as if independent, which is wider than the paired one.
    """
    first, second = a.figure(name), b.figure(name)
    if first is None or second is None or a.measured is None or b.measured is None:
        return None
    for measured, against, sign in ((b.measured, a, 1), (a.measured, b, -1)):
        found = measured.paired.get(name) or {}
        if found.get("against") == against.version.pk and found.get("value") is not None:
            low, high = found.get("low"), found.get("high")
            if sign < 0 and low is not None and high is not None:
                low, high = -high, -low
            return Gap(
                name,
                first,
                second,
                sign * found["value"],
                low,
                high,
                is_paired=True,
                is_flattered=bool(found.get("leak")),
            )
    return _apart(name, first, second)


def _apart(name: str, first: Figure, second: Figure) -> Gap:
    value = second.value - first.value
    low = high = None
    if None not in (first.low, first.high, second.low, second.high):
        a_low, a_high = first.low or 0.0, first.high or 0.0
        b_low, b_high = second.low or 0.0, second.high or 0.0
        low = value - sqrt((second.value - b_low) ** 2 + (a_high - first.value) ** 2)
        high = value + sqrt((b_high - second.value) ** 2 + (first.value - a_low) ** 2)
    return Gap(name, first, second, value, low, high, is_paired=False)


def _sentence(a: VersionRow, b: VersionRow, gaps: Sequence[Gap]) -> str:
    main = next((gap for gap in gaps if gap.name == "ndcg@10"), None)
    if main is None:
        return _("NDCG@10 was not measured for both.")
    better = {
        True: _("%(b)s is better than %(a)s"),
        False: _("%(b)s is worse than %(a)s"),
        None: _("%(a)s and %(b)s cannot be told apart"),
    }[main.is_good]
    coverage = next((gap for gap in gaps if gap.name == "coverage@10"), None)
    return _("%(verdict)s: NDCG@10 %(gap)s [%(interval)s], coverage %(coverage)s.") % {
        "verdict": better % {"a": a.label, "b": b.label},
        "gap": main.text,
        "interval": main.interval,
        "coverage": words.points(coverage.value) if coverage else "–",
    }


def config_diff(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """List the settings in which two versions differ; – marks one that is not there."""
    names = sorted({*a, *b})
    return [
        (name, a.get(name, "–"), b.get(name, "–")) for name in names if a.get(name) != b.get(name)
    ]


@operator
def promote(request: HttpRequest, number: int) -> HttpResponse:
    """Make a version live. Against the gate, its name must have been typed."""
    catalog = required_scope(request)
    row = queries_models.version_row(catalog, number)
    is_forced = row.is_kept_back

    def act() -> str:
        if is_forced and request.POST.get("confirm", "").strip() != row.label:
            raise Refused(
                _("The gate kept %(label)s back. Type %(label)s to promote it all the same.")
                % {"label": row.label}
            )
        promote_services.promote(
            version=row.version, actor=_actor(request), reason=_reason(request), force=is_forced
        )
        return _("%(label)s is live now.") % {"label": row.label}

    attempt(request, act)
    return back_to(request, reverse("dashboard:model", args=[number]))


@operator
def roll_back(request: HttpRequest) -> HttpResponse:
    """Make the version before the live one live again."""
    catalog = required_scope(request)

    def act() -> str:
        decision = promote_services.roll_back(
            catalog=catalog, actor=_actor(request), reason=_reason(request)
        )
        return _("%(label)s is live again.") % {"label": decision.version.label}

    attempt(request, act)
    return back_to(request, reverse("dashboard:models"))


@operator
def discard(request: HttpRequest, number: int) -> HttpResponse:
    """Set a candidate aside."""
    catalog = required_scope(request)
    row = queries_models.version_row(catalog, number)

    def act() -> str:
        promote_services.discard(
            version=row.version, actor=_actor(request), reason=_reason(request)
        )
        return _("%(label)s is set aside.") % {"label": row.label}

    attempt(request, act)
    return back_to(request, reverse("dashboard:model", args=[number]))


def _actor(request: HttpRequest) -> str:
    return request.user.get_username()


def _reason(request: HttpRequest) -> str:
    return request.POST.get("reason", "").strip()[:500] or _("decided in the panel")
