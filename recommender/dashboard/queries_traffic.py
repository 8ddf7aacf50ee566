"""Read what people saw and did: CTR, coverage, active users, latency, feedback. One query each.

A position counts as *viewed* when an `impression` event names its slate and position; a click that
carries that token proves a view too, so that a program which only sends clicks is counted and no
rate exceeds 1. Click rates belong to the day of the list, `Slate.decided_at`; a late click joins
its list. Days are UTC, cut from the stored text: SQLite would call Python for every row else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from math import ceil, sqrt
from typing import Literal

from django.db import connection
from django.db.models import Case, CharField, Count, F, FloatField, Max, Q, QuerySet, Sum, When
from django.db.models.functions import Cast, Floor, Substr

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
        """Return the first day, UTC."""
        return self.since.astimezone(UTC).date()

    @property
    def today(self) -> date:
        """Return the last day, UTC, which is not over."""
        return self.until.astimezone(UTC).date()

    @property
    def before(self) -> "Window":
        """Return the window of the same length that ends where this one starts."""
        return replace(self, since=self.since - (self.until - self.since), until=self.since)


def window_of(catalog: Catalog, days: int, now: datetime, traffic: Traffic = "all") -> Window:
    """Build the window of the last `days` UTC days, today's part included."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Window(catalog, midnight - timedelta(days=days - 1), now, traffic)


def day_of(field: str) -> Substr:
    """Cut the UTC day, as `YYYY-MM-DD`, out of a stored moment."""
    return Substr(Cast(field, CharField()), 1, 10)


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
    return group_rates(user_rates(window), *by)


@dataclass(frozen=True)
class UserRate:
    """What one user saw and clicked on one day under one version."""

    day: date
    version_id: int | None
    user: str  # a private visit has no user: its list is a cluster of its own
    viewed: int
    clicked: int


def user_rates(window: Window) -> list[UserRate]:
    """Count views and clicks by day, version and user. One query, a row per user and day."""
    lists, list_params = (
        _slates(window)
        .annotate(day=day_of("decided_at"))
        .values("id", "user_id", "model_version_id", "day")
        .query.sql_with_params()
    )
    seen, seen_params = (
        _seen(window)
        .values("slate_id")
        .annotate(n=Count("position", distinct=True), c=Count("pk", filter=Q(type="click")))
        .values("slate_id", "n", "c")
        .order_by()
        .query.sql_with_params()
    )
    # Both parts come from the ORM with their own parameters; nothing else enters the text.
    statement = (
        "SELECT day, model_version_id, user_id, "  # noqa: S608
        "CASE WHEN user_id IS NULL THEN id END AS private, SUM(n), SUM(c) "
        f"FROM ({lists}) AS lists JOIN ({seen}) AS seen ON seen.slate_id = lists.id "
        "GROUP BY 1, 2, 3, 4"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, (*list_params, *seen_params))
        rows = cursor.fetchall()
    return [
        UserRate(date.fromisoformat(day), version, f"{user}/{private}", int(viewed), int(clicked))
        for day, version, user, private, viewed, clicked in rows
    ]


def group_rates(rows: Sequence[UserRate], *by: Literal["day", "version"]) -> list[Rate]:
    """Sum user rates by day, version, both or nothing; users are the clusters of each group."""
    groups: dict[tuple[date | None, int | None], dict[str, list[int]]] = {}
    for row in rows:
        key = (row.day if "day" in by else None, row.version_id if "version" in by else None)
        user = groups.setdefault(key, {}).setdefault(row.user, [0, 0])
        user[0] += row.viewed
        user[1] += row.clicked
    ordered = sorted(groups.items(), key=lambda group: tuple(str(part) for part in group[0]))
    return [_rate(day, version, list(users.values())) for (day, version), users in ordered]


def total_rate(rows: Sequence[UserRate]) -> Rate:
    """Sum all user rates; zero views when there are none."""
    return next(iter(group_rates(rows)), Rate(None, None, 0, 0, 0, 0.0, 0.0, 0.0))


def _rate(day: date | None, version_id: int | None, users: list[list[int]]) -> Rate:
    return Rate(
        day=day,
        version_id=version_id,
        viewed=sum(n for n, _c in users),
        clicked=sum(c for _n, c in users),
        users=len(users),
        sum_cc=float(sum(c * c for _n, c in users)),
        sum_cn=float(sum(c * n for n, c in users)),
        sum_nn=float(sum(n * n for n, _c in users)),
    )


def _slates(window: Window) -> QuerySet[Slate]:
    slates = Slate.objects.filter(
        catalog=window.catalog, decided_at__gte=window.since, decided_at__lt=window.until
    )
    if window.traffic == "all":
        return slates
    return slates.filter(is_simulated=window.traffic == "simulated")


def _seen(window: Window) -> QuerySet[Event]:
    """Keep views and token-joined clicks that came since the window began, by arrival index."""
    return Event.objects.filter(
        catalog=window.catalog,
        received_at__gte=window.since,
        type__in=["impression", "click"],
        slate__isnull=False,
        position__isnull=False,
    )


def items_shown(window: Window) -> int:
    """Count distinct items that somebody viewed in the window. One query."""
    return _seen_in(window).aggregate(n=Count("item", distinct=True))["n"] or 0


def items_shown_by_day(window: Window) -> list[DayCount]:
    """Count distinct items viewed on each day. One query."""
    return _by_day(_seen_in(window), Count("item", distinct=True))


def _seen_in(window: Window) -> QuerySet[Event]:
    """Keep views that came within the window."""
    return _of_traffic(_seen(window).filter(received_at__lt=window.until), window)


def visible_items(window: Window) -> int:
    """Count items that may be shown now. One query."""
    return Item.objects.filter(catalog=window.catalog).visible(window.until).count()


def active_users(window: Window) -> int:
    """Count users with at least one event in the window. One query."""
    return _events(window).values("user").distinct().count()


def active_users_by_day(window: Window) -> list[DayCount]:
    """Count users with an event on each day. One query."""
    return _by_day(_events(window), Count("user", distinct=True))


def feedback_by_day(window: Window) -> list[DayCount]:
    """Count feedback (all events but views and imports) on each day. One query."""
    return _by_day(_feedback(window), Count("pk"))


def _by_day(events: QuerySet[Event], count: Count) -> list[DayCount]:
    counted = (
        events.annotate(day=day_of("occurred_at"))
        .values("day")
        .annotate(n=count)
        .order_by("day")
        .values_list("day", "n")
    )
    return [DayCount(date.fromisoformat(day), float(n)) for day, n in counted]


def _events(window: Window) -> QuerySet[Event]:
    events = Event.objects.filter(
        catalog=window.catalog, occurred_at__gte=window.since, occurred_at__lt=window.until
    )
    return _of_traffic(events, window)


def _of_traffic(events: QuerySet[Event], window: Window) -> QuerySet[Event]:
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
        .annotate(day=day_of("decided_at"), tenths=tenths)
        .values_list("day", "tenths")
        .annotate(n=Count("pk"))
        .order_by("day", "tenths")
    )
    rows = [(date.fromisoformat(day), at / 10, n) for day, at, n in grouped]
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
