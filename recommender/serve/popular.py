"""What is popular without any person in view: counted from events at most once a minute."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import DatabaseError
from django.db.models import Count, Q
from django.db.models.functions import TruncDate
from numpy.typing import NDArray

from recommender.catalog.models import Catalog
from recommender.catalog.rules import EventRule, rules_of
from recommender.collect.models import Event
from recommender.serve.policy import POLICY

log = logging.getLogger(__name__)

LONG_DAYS = 365  # window of the count that stands in for a model's popularity


@dataclass(frozen=True)
class Counted:
    """Items by decayed count, best first."""

    minute: datetime
    ids: NDArray[np.int64]
    shares: NDArray[np.float32]  # of the best, in (0, 1]


_counted: dict[tuple[int, str, bool], Counted] = {}


def trending(catalog: Catalog, now: datetime) -> Counted:
    """Return what people took up in the last days; one query a minute, else none.

    The window ends at the last full minute, so that all processes count the same events.
    """
    return _count(catalog, now, is_recent=True)


def long_run(catalog: Catalog, now: datetime) -> Counted:
    """Return what people took up over a year: popularity where no model has learned it."""
    return _count(catalog, now, is_recent=False)


def forget() -> None:
    """Drop what this process has counted."""
    _counted.clear()


def _count(catalog: Catalog, now: datetime, *, is_recent: bool) -> Counted:
    key = (catalog.pk, catalog.slug, is_recent)
    minute = now.replace(second=0, microsecond=0)
    kept = _counted.get(key)
    if kept is not None and kept.minute == minute:
        return kept
    try:
        totals = _totals(catalog, minute, is_recent=is_recent)
    except DatabaseError:
        log.exception("popularity not counted", extra={"catalog": catalog.slug})
        return kept or Counted(minute, np.zeros(0, np.int64), np.zeros(0, np.float32))
    best = sorted(totals, key=lambda item: (-totals[item], item))
    top = totals[best[0]] if best else 1.0
    counted = Counted(
        minute=minute,
        ids=np.array(best, np.int64),
        shares=np.array([totals[item] / top for item in best], np.float32),
    )
    _counted[key] = counted
    return counted


def _totals(catalog: Catalog, minute: datetime, *, is_recent: bool) -> dict[int, float]:
    rules = rules_of(catalog)
    days = POLICY.trending_days if is_recent else LONG_DAYS
    events = Event.objects.standing().filter(
        _takes_up(catalog, rules),
        catalog=catalog,
        occurred_at__gte=minute - timedelta(days=days),
        occurred_at__lt=minute,
        item__isnull=False,
    )
    groups = ("item_id", "type", "day") if is_recent else ("item_id", "type")
    if is_recent:
        events = events.annotate(day=TruncDate("occurred_at"))
    rows = events.order_by().values_list(*groups).annotate(n=Count("user", distinct=True))
    totals: dict[int, float] = {}
    for item_id, kind, *rest in rows:
        age_days = (minute.date() - rest[0]).days if is_recent else 0
        decay = 0.5 ** (age_days / POLICY.trending_half_life_days)
        totals[item_id] = totals.get(item_id, 0.0) + rules[kind].weight * decay * rest[-1]
    return totals


def _takes_up(catalog: Catalog, rules: dict[str, EventRule]) -> Q:
    """Match events that speak for their item: a liked rating, or any positive or weak type."""
    rated = [name for name, rule in rules.items() if rule.role == "rating"]
    plain = [name for name, rule in rules.items() if rule.role in ("positive", "weak")]
    return Q(type__in=plain) | Q(type__in=rated, value__gte=catalog.liked_from)
