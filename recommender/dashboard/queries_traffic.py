"""Read what people saw and did: CTR, coverage, active users, latency, feedback. One query each.

A position counts as *viewed* when an `impression` event names its slate and position; a click that
carries that token proves a view too, so that a program which only sends clicks is counted and no
rate exceeds 1. Days are those of the list (`Slate.decided_at`), so a late click joins its list.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from math import ceil, sqrt
from typing import Any, Literal

from django.db import connection
from django.db.models import Case, Count, F, FloatField, Max, QuerySet, Sum, When
from django.db.models.functions import Cast, Floor, TruncDate
from django.utils import timezone

from recommender.catalog.models import Catalog, Item
from recommender.collect.models import Event, Slate
from recommender.ml.stats import Z95, Interval, wilson

Traffic = Literal["all", "people", "simulated"]


@dataclass(frozen=True)
class Window:
    """What to count: one catalog, from `since` until before `until`, real or simulated visits."""

    catalog: Catalog
    since: datetime
    until: datetime
    traffic: Traffic = "all"

    @property
    def first_day(self) -> date:
        """Return the first day, in the site's time zone."""
        return timezone.localtime(self.since).date()

    @property
    def today(self) -> date:
        """Return the last day, which is not over, in the site's time zone."""
        return timezone.localtime(self.until).date()

    @property
    def before(self) -> "Window":
        """Return the window of the same length that ends where this one starts."""
        return replace(self, since=self.since - (self.until - self.since), until=self.since)


def window_of(catalog: Catalog, days: int, now: datetime, traffic: Traffic = "all") -> Window:
    """Build the window of the last `days` days: whole days in the site's time zone, and today."""
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return Window(catalog, midnight - timedelta(days=days - 1), now, traffic)


@dataclass(frozen=True)
class Rate:
    """Clicks per viewed position, with the sums that its user-clustered interval needs."""

    day: date | None
    version_id: int | None
    viewed: int
    clicked: int
    users: int
    sum_cc: float  # Σ over users of clicks²
    sum_cn: float
    sum_nn: float

    @property
    def interval(self) -> Interval:
        """Return the rate with its 95 % interval: Wilson, widened by the design effect of users."""
        # Wilson with n/d trials is Wilson with n trials and z·√d.
        return wilson(self.clicked, self.viewed, Z95 * sqrt(self.design_effect))

    @property
    def design_effect(self) -> float:
        """Return how much wider the variance is than that of independent views; at least 1."""
        p = self.clicked / self.viewed if self.viewed else 0.0
        binomial = self.viewed * p * (1 - p)
        if binomial <= 0 or self.users < 2:
            return 1.0
        spread = self.sum_cc - 2 * p * self.sum_cn + p * p * self.sum_nn
        return max(1.0, spread * self.users / (self.users - 1) / binomial)


@dataclass(frozen=True)
class DayCount:
    """How much of something one day had."""

    day: date
    count: float


@dataclass(frozen=True)
class Percentile:
    """A latency percentile with the interval of its order statistic, in milliseconds."""

    value: float
    low: float
    high: float
    n: int
    days: tuple[DayCount, ...]


@dataclass(frozen=True)
class Flow:
    """How fast feedback comes: events received in the last hour, per minute."""

    per_minute: float
    low: float
    high: float
    n: int
    before: float  # per minute, in the hour before


def click_rates(window: Window, *by: Literal["day", "version"]) -> list[Rate]:
    """Count views and clicks, grouped by day, version, both or nothing. One query."""
    viewed, params = _viewed_positions(window).query.sql_with_params()
    keys = [name for name in ("day", "version") if name in by]
    head = "".join(f"{name}, " for name in keys)
    tail = f" GROUP BY {', '.join(keys)} ORDER BY {', '.join(keys)}" if keys else ""
    # Names come from the literals above, values go through `params`. Private visits have no user:
    # each of their slates is a cluster of its own.
    statement = (
        f"SELECT {head}SUM(n), SUM(c), COUNT(*), SUM(c * c), SUM(c * n), SUM(n * n) FROM ("  # noqa: S608
        f"SELECT {head}SUM(1.0) AS n, SUM(clicked) AS c FROM ({viewed}) AS viewed "
        f"GROUP BY {head}user_id, CASE WHEN user_id IS NULL THEN id END) AS by_user{tail}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        rows = cursor.fetchall()
    return [_rate(dict(zip(keys, row, strict=False)), row[len(keys) :]) for row in rows if row[-1]]


def total_rate(window: Window) -> Rate:
    """Count views and clicks of the whole window. One query."""
    nothing = Rate(None, None, 0, 0, 0, 0.0, 0.0, 0.0)
    return next(iter(click_rates(window)), nothing)


def _viewed_positions(window: Window) -> QuerySet[Slate, dict[str, Any]]:
    is_click = Case(When(events__type="click", then=1.0), default=0.0, output_field=FloatField())
    return (
        _slates(window)
        .filter(events__type__in=["impression", "click"], events__position__isnull=False)
        .annotate(day=TruncDate("decided_at"), version=F("model_version_id"))
        .values("id", "events__position", "user_id", "day", "version")
        .annotate(clicked=Max(is_click))
        .order_by()
    )


def _slates(window: Window) -> QuerySet[Slate]:
    slates = Slate.objects.filter(
        catalog=window.catalog, decided_at__gte=window.since, decided_at__lt=window.until
    )
    if window.traffic == "all":
        return slates
    return slates.filter(is_simulated=window.traffic == "simulated")


def _rate(keys: dict[str, Any], sums: Sequence[Any]) -> Rate:
    viewed, clicked, users, cc, cn, nn = (float(value) for value in sums)
    day = keys.get("day")
    return Rate(
        day=date.fromisoformat(day) if isinstance(day, str) else day,  # SQLite gives text
        version_id=keys.get("version"),
        viewed=round(viewed),
        clicked=round(clicked),
        users=round(users),
        sum_cc=cc,
        sum_cn=cn,
        sum_nn=nn,
    )


def items_shown(window: Window) -> int:
    """Count distinct items that somebody viewed in the window. One query."""
    seen = _slates(window).filter(
        events__type__in=["impression", "click"], events__position__isnull=False
    )
    return seen.aggregate(n=Count("events__item", distinct=True))["n"] or 0


def items_shown_by_day(window: Window) -> list[DayCount]:
    """Count distinct items viewed on each day. One query."""
    seen = _slates(window).filter(
        events__type__in=["impression", "click"], events__position__isnull=False
    )
    return _by_day(seen.annotate(day=TruncDate("decided_at")), Count("events__item", distinct=True))


def visible_items(window: Window) -> int:
    """Count items that may be shown now. One query."""
    return Item.objects.filter(catalog=window.catalog).visible(window.until).count()


def active_users(window: Window) -> int:
    """Count users with at least one event in the window. One query."""
    return _events(window).values("user").distinct().count()


def active_users_by_day(window: Window) -> list[DayCount]:
    """Count users with an event on each day. One query."""
    by_day = _events(window).annotate(day=TruncDate("occurred_at"))
    return _by_day(by_day, Count("user", distinct=True))


def feedback_by_day(window: Window) -> list[DayCount]:
    """Count feedback (all events but views and imports) on each day. One query."""
    return _by_day(_feedback(window).annotate(day=TruncDate("occurred_at")), Count("pk"))


def _by_day(rows: QuerySet[Any, Any], count: Count) -> list[DayCount]:
    counted = rows.values("day").annotate(n=count).order_by("day").values_list("day", "n")
    return [DayCount(day, float(n)) for day, n in counted]


def _events(window: Window) -> QuerySet[Event]:
    events = Event.objects.filter(
        catalog=window.catalog, occurred_at__gte=window.since, occurred_at__lt=window.until
    )
    if window.traffic == "people":
        return events.exclude(source=Event.Source.SIMULATED)
    if window.traffic == "simulated":
        return events.filter(source=Event.Source.SIMULATED)
    return events


def _feedback(window: Window) -> QuerySet[Event]:
    return _events(window).exclude(type="impression").exclude(source=Event.Source.IMPORT)


def feedback_flow(window: Window) -> Flow:
    """Measure feedback per minute in the window's last hour and the hour before. One query."""
    hour = timedelta(hours=1)
    recent = _feedback(replace(window, since=window.until - 2 * hour))
    is_late = Case(When(occurred_at__gte=window.until - hour, then=1), default=0)
    found = recent.aggregate(all=Count("pk"), late=Sum(is_late))
    late, earlier = found["late"] or 0, found["all"] - (found["late"] or 0)
    # Poisson, normal approximation with the usual +1 guard, so that 0 events have an upper bound.
    half = 1.96 * sqrt(late + 1)
    return Flow(late / 60, max(0.0, late - half) / 60, (late + half) / 60, late, earlier / 60)


def latency(window: Window, share: float = 0.95) -> Percentile | None:
    """Find a percentile of the time to answer, to 0.1 ms, in all and by day. One query."""
    tenths = Cast(Floor(F("latency_ms") * 10), FloatField())
    grouped = (
        _slates(window)
        .annotate(day=TruncDate("decided_at"), tenths=tenths)
        .values_list("day", "tenths")
        .annotate(n=Count("pk"))
        .order_by("day", "tenths")
    )
    rows = [(day, at / 10, n) for day, at, n in grouped]
    if not rows:
        return None
    days = sorted({day for day, _, _ in rows})
    by_day = [DayCount(day, _nearest_rank([r for r in rows if r[0] == day], share)) for day in days]
    total = sum(n for _, _, n in rows)
    ordered = sorted(rows, key=lambda row: row[1])
    half = 1.96 * sqrt(share * (1 - share) / total)
    return Percentile(
        value=_nearest_rank(ordered, share),
        low=_nearest_rank(ordered, max(0.0, share - half)),
        high=_nearest_rank(ordered, min(1.0, share + half)),
        n=total,
        days=tuple(by_day),
    )


def _nearest_rank(rows: Sequence[tuple[date, float, int]], share: float) -> float:
    """Find the value at rank ⌈share·n⌉ of (day, value, count) rows ordered by value."""
    wanted = max(1, ceil(share * sum(n for _, _, n in rows) - 1e-9))
    reached = 0
    for _, value, n in rows:
        reached += n
        if reached >= wanted:
            return value
    return rows[-1][1]


def newest_data(catalog: Catalog) -> datetime | None:
    """Find when the newest fact came in: an event or a list. Two queries."""
    shown = Slate.objects.filter(catalog=catalog).aggregate(at=Max("decided_at"))["at"]
    done = Event.objects.filter(catalog=catalog).exclude(source=Event.Source.IMPORT)
    return max(
        (at for at in (shown, done.aggregate(at=Max("received_at"))["at"]) if at), default=None
    )


def simulated_share(window: Window) -> float:
    """Find what share of the window's lists is demo data. One query."""
    is_simulated = Case(When(is_simulated=True, then=1), default=0)
    found = _slates(window).aggregate(all=Count("pk"), simulated=Sum(is_simulated))
    return (found["simulated"] or 0) / found["all"] if found["all"] else 0.0
