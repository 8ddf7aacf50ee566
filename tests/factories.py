"""Minimal rows for tests: each function fills what the database demands and nothing more."""

from __future__ import annotations

import itertools
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from recommender.accounts.models import Account
from recommender.catalog.models import Catalog, Item
from recommender.collect.models import Event, Impression, Slate, User
from recommender.evaluate.models import Evaluation
from recommender.prepare.models import Snapshot
from recommender.promote.models import ModelVersion
from recommender.train.models import TrainingRun

START = datetime(2026, 1, 1, tzinfo=UTC)
_next = itertools.count(1)


def n() -> int:
    """Return a number that no other row of this test run has."""
    return next(_next)


def make_catalog(**fields: Any) -> Catalog:
    defaults: dict[str, Any] = {
        "slug": f"films-{n()}",
        "name": "Films",
        "scenario": "films",
        "rating_min": 0.5,
        "exploration_target": 0.0,  # lists are drawn only where a test asks for it
        "event_rules": {
            "impression": {"weight": 0.0, "half_life_days": 30, "role": "exposure"},
            "click": {"weight": 0.3, "half_life_days": 30, "role": "weak"},
            "rating": {"weight": 1.0, "half_life_days": 365, "role": "rating"},
            "like": {"weight": 1.0, "half_life_days": 180, "role": "positive"},
            "purchase": {"weight": 1.0, "half_life_days": 180, "role": "positive"},
            "dismiss": {"weight": 0.0, "half_life_days": 365, "role": "negative"},
            "undo": {"weight": 0.0, "half_life_days": 1, "role": "control"},
        },
        "created_at": START,
    }
    return Catalog.objects.create(**(defaults | fields))


def make_item(catalog: Catalog, **fields: Any) -> Item:
    number = n()
    defaults: dict[str, Any] = {
        "external_id": f"i{number}",
        "title": f"Film {number}",
        "categories": ["Drama"],
        "published_at": START,
        "text_hash": "0" * 64,
        "changed_seq": 1,
        "created_at": START,
        "updated_at": START,
    }
    return Item.objects.create(catalog=catalog, **(defaults | fields))


def make_account(**fields: Any) -> Account:
    password = fields.pop("password", "correct horse battery")
    return Account.objects.create_user(
        username=fields.pop("username", f"person{n()}"), password=password, **fields
    )


def make_user(catalog: Catalog, **fields: Any) -> User:
    defaults: dict[str, Any] = {
        "external_id": f"u{n()}",
        "created_at": START,
        "updated_at": START,
    }
    return User.objects.create(catalog=catalog, **(defaults | fields))


def make_event(user: User, item: Item | None, type: str = "rating", **fields: Any) -> Event:
    moment = fields.pop("at", START + timedelta(seconds=n()))
    defaults: dict[str, Any] = {
        "event_id": uuid.uuid4(),
        "body_hash": "0" * 64,
        "value": 5.0 if type == "rating" else None,
        "occurred_at": moment,
        "received_at": moment,
        "attribution": "organic",
        "source": "api",
    }
    return Event.objects.create(
        catalog=user.catalog, user=user, item=item, type=type, **(defaults | fields)
    )


def make_snapshot(catalog: Catalog, **fields: Any) -> Snapshot:
    defaults: dict[str, Any] = {
        "watermark_to": START + timedelta(days=10),
        "split_at": START + timedelta(days=9),
        "n_users": 2,
        "n_items": 3,
        "n_events": 10,
        "sha256": "0" * 64,
        "path": "nowhere",
        "created_at": START + timedelta(days=10),
    }
    return Snapshot.objects.create(catalog=catalog, **(defaults | fields))


def make_version(catalog: Catalog, **fields: Any) -> ModelVersion:
    defaults: dict[str, Any] = {
        "number": n(),
        "model": "item_knn",
        "strategy": "item_item",
        "snapshot": fields.pop("snapshot", None) or make_snapshot(catalog),
        "path": "nowhere",
        "manifest_sha256": "0" * 64,
        "size_bytes": 1000,
        "trained_to": START,
        "created_at": START,
    }
    return ModelVersion.objects.create(catalog=catalog, **(defaults | fields))


def make_run(catalog: Catalog, **fields: Any) -> TrainingRun:
    defaults: dict[str, Any] = {"model": "item_knn", "created_at": START}
    return TrainingRun.objects.create(catalog=catalog, **(defaults | fields))


def make_evaluation(version: ModelVersion, **fields: Any) -> Evaluation:
    figure = {"value": 0.12, "low": 0.10, "high": 0.14}
    defaults: dict[str, Any] = {
        "catalog": version.catalog,
        "snapshot": version.snapshot,
        "window_from": START + timedelta(days=9),
        "window_to": START + timedelta(days=10),
        "n_users": 40,
        "n_events": 200,
        "metrics": {"ndcg@10": figure, "precision@10": figure, "coverage@10": figure},
        "baselines": {"random": {"ndcg@10": figure}, "popularity": {"ndcg@10": figure}},
        "created_at": START + timedelta(days=10),
    }
    return Evaluation.objects.create(model_version=version, **(defaults | fields))


def make_slate(
    catalog: Catalog, items: list[Item], user: User | None = None, **fields: Any
) -> Slate:
    moment = fields.pop("at", START + timedelta(seconds=n()))
    defaults: dict[str, Any] = {
        "id": uuid.uuid4(),
        "request_id": uuid.uuid4().hex,
        "decided_at": moment,
        "surface": "home",
        "k": len(items),
        "hour_local": moment.hour,
        "consent": "personalized",
        "policy_id": "greedy",
        "policy_version": "1",
        "policy_config_hash": "0" * 64,
        "strategy": "item_item",
        "latency_ms": 3.0,
        "seed": 1,
        "sampler": "deterministic",
        "candidates": b"",
        "logits": b"",
    }
    slate = Slate.objects.create(catalog=catalog, user=user, **(defaults | fields))
    Impression.objects.bulk_create(
        Impression(
            slate=slate,
            item=item,
            position=position,
            col=position,
            slot_kind="exploit",
            p_cond=1.0,
            log_p_prefix=0.0,
            score=1.0 / position,
            served_at=moment,
        )
        for position, item in enumerate(items, start=1)
    )
    return slate
