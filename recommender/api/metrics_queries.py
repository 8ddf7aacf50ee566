"""Count what was viewed and clicked, by day, version or position, with 95 % intervals."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.db import connection
from django.db.models import Case, F, IntegerField, Max, QuerySet, When
from django.db.models.functions import TruncDate

from recommender.catalog.models import Catalog
from recommender.collect.models import Slate
from recommender.ml.stats import Interval, wilson

By = Literal["day", "version", "position"]
KEYS: dict[str, Any] = {
    "day": TruncDate("decided_at"),
    "version": F("model_version__number"),
    "position": F("events__position"),
}


@dataclass(frozen=True)
class Point:
    """One day, version or position."""

    key: str | None  # None: no model was used
    views: int
    clicks: int

    @property
    def ctr(self) -> Interval:
        """Return clicks per view; every point has a view."""
        return wilson(self.clicks, self.views)


def series(catalog: Catalog, since: datetime, until: datetime, by: By) -> list[Point]:
    """Count viewed and clicked positions of the lists decided in [since, until). One query.

    A click proves a view, so that a program which sends only clicks is counted and no rate exceeds
    1. A late click counts on the day of its list.
    """
    viewed, params = _viewed_positions(catalog, since, until, by).query.sql_with_params()
    statement = (
        "SELECT key, COUNT(*), SUM(clicked) FROM ("  # noqa: S608 - values go through `params`
        f"{viewed}) AS viewed GROUP BY key ORDER BY key"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        rows = cursor.fetchall()
    return [Point(_label(by, key), int(views), int(clicks)) for key, views, clicks in rows]


def _viewed_positions(
    catalog: Catalog, since: datetime, until: datetime, by: By
) -> QuerySet[Any, Any]:
    is_click = Case(When(events__type="click", then=1), default=0, output_field=IntegerField())
    slates = Slate.objects.filter(
        catalog=catalog,
        decided_at__gte=since,
        decided_at__lt=until,
        events__type__in=["impression", "click"],
        events__position__isnull=False,
    )
    return (
        slates.annotate(key=KEYS[by])
        .values("id", "events__position", "key")
        .annotate(clicked=Max(is_click))
        .order_by()
    )


def _label(by: By, key: Any) -> str | None:
    if key is None:
        return None
    return f"v{key}" if by == "version" else str(key)
