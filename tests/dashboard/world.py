"""A small world for the panel's tests: a live version, a candidate, lists seen and clicked."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from recommender.accounts.models import Account
from recommender.catalog.models import Catalog, Item
from recommender.collect.models import Event, Slate, User
from recommender.jobs.models import Worker
from recommender.promote.models import ModelVersion, Promotion
from tests.factories import (
    make_account,
    make_catalog,
    make_evaluation,
    make_event,
    make_item,
    make_slate,
    make_user,
    make_version,
)

NOW = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)


@dataclass
class World:
    catalog: Catalog
    items: list[Item]
    users: list[User]
    first: ModelVersion
    live: ModelVersion
    slates: list[Slate]


def figure(value: float, half: float = 0.02) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def metrics(base: float) -> dict[str, Any]:
    return {
        "ndcg@10": figure(base),
        "precision@10": figure(base / 2),
        "recall@10": figure(base / 3),
        "coverage@10": figure(0.4),
        "gini@10": figure(0.7),
        "novelty@10": figure(9.0),
        "mrr": figure(base),
    }


def measured(version: ModelVersion, base: float, **fields: Any) -> None:
    curve = [base * k / 20 for k in range(1, 21)]
    defaults: dict[str, Any] = {
        "metrics": metrics(base),
        "baselines": {"random": metrics(0.01), "popularity": metrics(0.08)},
        "segments": {
            name: {"n": n, **metrics(base)}
            for name, n in (("new", 20), ("light", 90), ("heavy", 60))
        },
        "by_k": {"ndcg": curve, "precision": curve, "recall": curve},
    }
    make_evaluation(version, **(defaults | fields))


def cold(auc: float = 0.7, n_users: int = 80, gap: float = 0.05) -> dict[str, Any]:
    """Build what an evaluation keeps of new items and newcomers."""

    def report(names: tuple[str, str], n: int, value: float) -> dict[str, Any]:
        table = {name: figure(value) | {"n": n} for name in names}
        chance = {name: figure(0.1) | {"n": n} for name in names}
        beside = {"champion": table, "popularity": chance, "random": chance}
        paired = {names[0]: figure(gap) | {"n": n}}
        return {"n_users": n, "metrics": table, "baselines": beside, "paired": paired}

    sizes = {"1": 90, "3": n_users, "5": 30}
    users = {name: report(("ndcg@10", "hit_rate@10"), n, 0.33) for name, n in sizes.items()}
    items = report(("auc", "hit@10"), 60, auc)
    return {"users": users, "items": items | {"n_items": 12, "n_pairs": 75}}


def see(slate: Slate, position: int, item: Item, *, click: bool = False) -> list[Event]:
    """Record that a position was seen, and clicked."""
    return Event.objects.bulk_create(seen(slate, position, item, click=click))


def seen(slate: Slate, position: int, item: Item, *, click: bool = False) -> list[Event]:
    at = slate.decided_at + timedelta(seconds=position)
    return [
        Event(
            catalog_id=slate.catalog_id,
            user_id=slate.user_id,
            item=item,
            type=kind,
            slate=slate,
            position=position,
            event_id=uuid.uuid4(),
            body_hash="0" * 64,
            occurred_at=at,
            received_at=at,
            attribution="direct",
            source="web",
        )
        for kind in (["impression", "click"] if click else ["impression"])
    ]


def make_world(days: int = 6, **fields: Any) -> World:
    """Build two versions that served three days each; the later one is clicked more."""
    catalog = make_catalog(**({"is_default": True} | fields))
    items = [make_item(catalog) for _ in range(6)]
    users = [make_user(catalog) for _ in range(4)]
    old = NOW - timedelta(days=40)
    first = make_version(
        catalog, number=1, state="retired", created_at=old, retired_at=NOW, trained_to=NOW
    )
    live = make_version(
        catalog,
        number=2,
        state="live",
        snapshot=first.snapshot,
        created_at=NOW - timedelta(hours=1),
        live_since=NOW - timedelta(days=days // 2),
        trained_to=NOW - timedelta(hours=1),
    )
    measured(first, 0.10)
    gap = {"value": 0.05, "low": 0.01, "high": 0.09, "against": first.pk}
    measured(live, 0.15, paired={"ndcg@10": gap})
    switch(catalog, first, None, NOW - timedelta(days=days))
    switch(catalog, live, first, NOW - timedelta(days=days // 2))
    slates = _visits(catalog, items, users, first, live, days)
    for user in users:
        make_event(user, items[0], at=NOW - timedelta(days=1))
    beat = datetime.now(UTC)
    Worker.objects.create(name="w1", queue="learning", pid=1, started_at=beat, seen_at=beat)
    return World(catalog, items, users, first, live, slates)


def switch(
    catalog: Catalog, version: ModelVersion, previous: ModelVersion | None, at: datetime
) -> Promotion:
    return Promotion.objects.create(
        catalog=catalog,
        action="promote",
        version=version,
        previous=previous,
        actor="gate",
        reason="It passed the gate.",
        created_at=at,
    )


def _visits(
    catalog: Catalog,
    items: list[Item],
    users: list[User],
    first: ModelVersion,
    live: ModelVersion,
    days: int,
) -> list[Slate]:
    slates: list[Slate] = []
    events: list[Event] = []
    for day in range(days):
        version = first if day < days // 2 else live
        for n, user in enumerate(users):
            at = NOW - timedelta(days=days - 1 - day, minutes=10 * n + 10)
            slate = make_slate(
                catalog,
                items[:4],
                user,
                at=at,
                model_version=version,
                latency_ms=2.0 + n + day,
                id=uuid.uuid4(),
            )
            slates.append(slate)
            for position in (1, 2, 3):
                clicked = position == 1 and (version is live or n == 0)
                events += seen(slate, position, items[position - 1], click=clicked)
    Event.objects.bulk_create(events)
    return slates


def operator() -> Account:
    return make_account(is_staff=True, is_superuser=True)


def viewer() -> Account:
    return make_account(is_staff=True)
