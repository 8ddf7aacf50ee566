"""Compose the overview: the verdict in one sentence, six tiles and the figures behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import sqrt

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from recommender.dashboard import queries_traffic as traffic
from recommender.dashboard import words
from recommender.dashboard.findings import Finding
from recommender.dashboard.queries_models import Switch, VersionRow
from recommender.dashboard.queries_traffic import DayCount, Rate, Window
from recommender.dashboard.sparkline import sparkline

ENOUGH_VIEWS = 100  # on each side, before a before–after difference is put into words


@dataclass(frozen=True)
class Tile:
    """One figure of the overview. `is_good` tells whether the delta is welcome, None: unclear."""

    name: str
    value: str
    unit: str = ""
    interval: str = ""
    delta: str = ""
    is_good: bool | None = None
    note: str = ""
    fresh: str = ""
    spark: str = ""


@dataclass(frozen=True)
class Difference:
    """CTR after minus before, with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Tell whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Traffic:
    """Everything the traffic tiles and the CTR chart read, fetched once."""

    rates: Sequence[Rate]  # by day
    total: Rate
    before: Rate
    by_version: Sequence[Rate]
    newest: datetime | None
    demo_share: float


def read_traffic(window: Window) -> Traffic:
    """Fetch click rates and freshness. Five queries."""
    rows = traffic.user_rates(window)
    return Traffic(
        rates=traffic.group_rates(rows, "day"),
        total=traffic.total_rate(rows),
        before=traffic.total_rate(traffic.user_rates(window.before)),
        by_version=traffic.group_rates(rows, "version"),
        newest=traffic.newest_data(window.catalog),
        demo_share=traffic.simulated_share(window),
    )


def tiles(window: Window, seen: Traffic, rows: Sequence[VersionRow]) -> list[Tile]:
    """Build the tiles. Eleven queries beyond those of `read_traffic`."""
    fresh = words.freshness(seen.newest, window.until)
    return [
        _ctr(window, seen, fresh),
        _quality("precision@10", rows, window.until),
        _quality("ndcg@10", rows, window.until),
        _coverage(window, fresh),
        _active(window, fresh),
        _latency(window, fresh),
        _feedback(window, fresh),
    ]


def difference(after: Rate, before: Rate) -> Difference:
    """Subtract two click rates; the interval joins both of theirs.

    Source: Newcombe 1998, method 10 (hybrid score), on Wilson intervals widened for users.
    """
    a, b = after.interval, before.interval
    gap = a.value - b.value
    low = gap - sqrt((a.value - a.low) ** 2 + (b.high - b.value) ** 2)
    high = gap + sqrt((a.high - a.value) ** 2 + (b.value - b.low) ** 2)
    return Difference(gap, low, high)


def _ctr(window: Window, seen: Traffic, fresh: str) -> Tile:
    days = {rate.day: rate.interval.value for rate in seen.rates}
    total = seen.total
    if not total.viewed:
        return Tile(_("CTR"), "–", note=_("no item was seen yet"), fresh=fresh)
    delta, is_good = "", None
    if seen.before.viewed >= ENOUGH_VIEWS:
        gap = difference(total, seen.before)
        delta = words.points(gap.value)
        is_good = gap.value > 0 if gap.is_clear else None
    bounds = total.interval
    return Tile(
        _("CTR"),
        words.percent(bounds.value),
        interval=_bounds(100 * bounds.low, 100 * bounds.high, 1, " %"),
        delta=delta,
        is_good=is_good,
        note=_("of %(n)s items seen") % {"n": words.number(total.viewed)},
        fresh=fresh,
        spark=_spark(window, days),
    )


def _quality(metric: str, rows: Sequence[VersionRow], now: datetime) -> Tile:
    name = {"precision@10": "P@10", "ndcg@10": "NDCG@10"}[metric]
    live = next((row for row in rows if row.is_live), None)
    figure = live.figure(metric) if live else None
    if live is None or live.measured is None or figure is None:
        return Tile(name, "–", note=_("no live version was measured yet"))
    delta, is_good = _against(metric, live)
    history = [row.figure(metric) for row in reversed(rows)]
    return Tile(
        name,
        words.number(figure.value, 3),
        interval=_bounds(figure.low, figure.high, 3),
        delta=delta,
        is_good=is_good,
        note=_("%(label)s, %(n)s users")
        % {"label": live.label, "n": words.number(live.measured.n_users)},
        fresh=_("measured %(ago)s") % {"ago": words.ago(live.measured.at, now)},
        spark=sparkline([found.value for found in history if found]),
    )


def _against(metric: str, live: VersionRow) -> tuple[str, bool | None]:
    """Write the paired difference to the version that was live before; empty when there is none."""
    found = live.measured.paired.get(metric) if live.measured else None
    if not found or found.get("value") is None:
        return "", None
    low, high = found.get("low"), found.get("high")
    is_clear = low is not None and high is not None and (low > 0 or high < 0)
    return words.signed(found["value"], 3), found["value"] > 0 if is_clear else None


def _coverage(window: Window, fresh: str) -> Tile:
    shown, visible = traffic.items_shown(window), traffic.visible_items(window)
    earlier = traffic.items_shown(window.before)
    if not visible:
        return Tile(_("Coverage"), "–", note=_("no items yet"), fresh=fresh)
    share = min(1.0, shown / visible)
    return Tile(
        _("Coverage"),
        words.percent(share),
        interval=_("exact count"),
        delta=words.points((shown - earlier) / visible) if earlier else "",
        is_good=shown > earlier if earlier and shown != earlier else None,
        note=_("%(shown)s of %(all)s items seen by somebody")
        % {"shown": words.number(shown), "all": words.number(visible)},
        fresh=fresh,
        spark=_spark(window, _counts(traffic.items_shown_by_day(window))),
    )


def _active(window: Window, fresh: str) -> Tile:
    active, earlier = traffic.active_users(window), traffic.active_users(window.before)
    return Tile(
        _("Active users"),
        words.number(active),
        interval=_("exact count"),
        delta=words.signed(active - earlier, 0) if earlier else "",
        is_good=active > earlier if earlier and active != earlier else None,
        note=_("with at least one event"),
        fresh=fresh,
        spark=_spark(window, _counts(traffic.active_users_by_day(window)), gap=0.0),
    )


def _latency(window: Window, fresh: str) -> Tile:
    found, earlier = traffic.latency(window), traffic.latency(window.before)
    if found is None:
        return Tile("p95", "–", note=_("no list was served yet"), fresh=fresh)
    gap = found.value - earlier.value if earlier else 0.0
    is_clear = earlier is not None and (found.low > earlier.high or found.high < earlier.low)
    return Tile(
        "p95",
        words.number(found.value, 1),
        unit="ms",
        interval=_bounds(found.low, found.high, 1, " ms"),
        delta=f"{words.signed(gap, 1)} ms" if earlier else "",
        is_good=gap < 0 if is_clear else None,
        note=_("time to answer, %(n)s lists") % {"n": words.number(found.n)},
        fresh=fresh,
        spark=_spark(window, _counts(found.days)),
    )


def _feedback(window: Window, fresh: str) -> Tile:
    flow = traffic.feedback_flow(window)
    return Tile(
        _("Feedback per minute"),
        words.number(flow.per_minute, 1),
        interval=_bounds(flow.low, flow.high, 1),
        delta=words.signed(flow.per_minute - flow.before, 1) if flow.before else "",
        is_good=None,
        note=_("in the last hour"),
        fresh=fresh,
        spark=_spark(window, _counts(traffic.feedback_by_day(window)), gap=0.0),
    )


def _bounds(low: float | None, high: float | None, digits: int, unit: str = "") -> str:
    text = words.between(low, high, digits)
    return f"95 %: {text}{unit}" if text else ""


def _counts(days: Sequence[DayCount]) -> dict[date | None, float]:
    return {row.day: row.count for row in days}


def _spark(window: Window, days: dict[date | None, float], gap: float | None = None) -> SafeString:
    """Draw one value a day; `gap` is what a day without rows means (0 for counts)."""
    first, last = window.first_day, window.today
    span = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    values = [days.get(day, gap) for day in span]
    return sparkline(values, is_open=True)


def verdict(
    alerts: Sequence[Finding],
    live: VersionRow | None,
    switches: Sequence[Switch],
    rates: Sequence[Rate],
) -> str:
    """Say in one or two sentences how things stand, before any number."""
    serious = [finding for finding in alerts if finding.severity != "info"]
    if any(finding.severity == "bad" for finding in alerts):
        head = _("Needs attention")
    else:
        head = _("Running normally")
    if serious:
        count = ngettext("%(n)s alert", "%(n)s alerts", len(serious)) % {"n": len(serious)}
        head = _("%(head)s, with %(count)s.") % {"head": head, "count": count}
    else:
        head = _("%(head)s.") % {"head": head}
    told = {"first": head, "then": _effect(live, switches, rates)}
    return (_("%(first)s %(then)s") % told).strip()


def _effect(live: VersionRow | None, switches: Sequence[Switch], rates: Sequence[Rate]) -> str:
    """Compare the live version's click rate with its predecessor's: before–after, no cause."""
    if live is None:
        return ""
    last = next((s for s in reversed(switches) if s.version_id == live.version.pk), None)
    by_version = {rate.version_id: rate for rate in rates}
    after = by_version.get(live.version.pk)
    before = by_version.get(last.previous_id) if last and last.previous_id else None
    if last is None or last.previous_id is None:
        return _("%(label)s is live.") % {"label": live.label}
    least = min(after.viewed if after else 0, before.viewed if before else 0)
    if after is None or before is None or least < ENOUGH_VIEWS:
        return _(
            "%(label)s is live; too few items were seen to compare click rates "
            "(%(n)s / %(needed)s on the smaller side)."
        ) % {"label": live.label, "n": least, "needed": ENOUGH_VIEWS}
    gap = difference(after, before)
    return _(
        "Since %(label)s went live, the click rate changed by %(gap)s "
        "(95 %% interval %(low)s to %(high)s, before–after)."
    ) % {
        "label": live.label,
        "gap": words.points(gap.value),
        "low": words.signed(100 * gap.low, 1),
        "high": words.signed(100 * gap.high, 1),
    }
