"""When to train again without being asked: enough news, or a model grown old."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from recommender import clock
from recommender.catalog.models import Catalog
from recommender.collect.models import Event
from recommender.train.models import TrainingRun
from recommender.train.services import AlreadyActive, request_run

LEAST_EVENTS = 500
LEAST_SHARE = 0.05  # of the events the live version was trained on
OLD_AFTER = timedelta(hours=24)
PAUSE = timedelta(minutes=10)  # between two runs of one catalog
POSITIVE_ROLES = ("positive", "rating", "weak")


@dataclass(frozen=True)
class News:
    """What happened since the live version's snapshot."""

    n_events: int
    n_trained_on: int
    age: timedelta  # of the snapshot
    since_last_run: timedelta


def reason_to_train(news: News) -> str:
    """Return why a run is due, or nothing.

    >>> day = timedelta(days=1)
    >>> reason_to_train(News(500, 1_000, day / 24, day / 24))
    'events'
    >>> reason_to_train(News(499, 1_000, day / 24, day / 24))
    ''
    >>> reason_to_train(News(1, 1_000, day, day))
    'age'
    """
    if news.since_last_run < PAUSE:
        return ""
    if news.n_events >= max(LEAST_EVENTS, LEAST_SHARE * news.n_trained_on):
        return "events"
    if news.n_events >= 1 and news.age >= OLD_AFTER:
        return "age"
    return ""


def consider_catalog(*, catalog: Catalog) -> TrainingRun | None:
    """Queue an incremental run of the live model when one is due. A few queries."""
    last = catalog.runs.newest_first().first()
    live = catalog.versions.live().select_related("snapshot").first()
    if last is None or live is None or last.state in TrainingRun.ACTIVE:
        return None  # the first run is a person's decision
    at = clock.now()
    reason = reason_to_train(
        News(
            n_events=count_positives(catalog, since=live.snapshot.watermark_to),
            n_trained_on=live.snapshot.n_events,
            age=at - live.snapshot.watermark_to,
            since_last_run=at - (last.finished_at or last.created_at),
        )
    )
    if not reason:
        return None
    made_by = catalog.runs.filter(model_version=live).first()
    try:
        return request_run(
            catalog=catalog,
            model=live.model,
            mode="full" if live.broken_reason else "incremental",
            trigger=reason,
            config=made_by.config if made_by else None,
        )
    except AlreadyActive:
        return None  # somebody asked at the same moment


def count_positives(catalog: Catalog, *, since: datetime) -> int:
    """Count events received since the moment that a model could learn from. One query."""
    types = [name for name, rule in catalog.event_rules.items() if rule["role"] in POSITIVE_ROLES]
    return Event.objects.standing().since(since).filter(catalog=catalog, type__in=types).count()
