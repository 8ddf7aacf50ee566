"""Write what was shown: one slate and its impressions, before the reply leaves."""

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import transaction

from recommender.collect import sql
from recommender.collect.models import FeatureSnapshot, Impression, Slate


@dataclass(frozen=True)
class SlateRecord:
    """One decision, field for field as `Slate` stores it; see LOOP §4 in the model's comments."""

    id: UUID
    request_id: str
    decided_at: datetime
    catalog_id: int
    user_id: int | None  # None in private mode
    surface: str
    k: int
    hour_local: int
    consent: str
    policy_id: str
    policy_version: str
    policy_config_hash: str
    strategy: str
    latency_ms: float
    seed: int  # signed 64 bit
    sampler: str
    candidates: bytes  # int32 × C
    logits: bytes  # float32 × C × contenders
    session_id: str = ""
    page: int = 1
    layout: str = "list"
    device: str = ""
    locale: str = ""
    bot_score: float = 0.0
    model_version_id: int | None = None
    model_trained_to: datetime | None = None
    experiment_keys: list[Any] = field(default_factory=list)
    fallback: str = "none"
    schema_version: int = 1
    eps: float = 0.0
    tau: float = 0.0
    alphas: list[float] = field(default_factory=list)
    contenders: list[str] = field(default_factory=list)
    component: str = ""
    masks: list[Any] = field(default_factory=list)
    fixed: list[Any] = field(default_factory=list)
    cost: float | None = None
    retrieval_sources: dict[str, Any] = field(default_factory=dict)
    is_simulated: bool = False
    # Exactly what the scorer read, uncompressed; stored once however many slates share it.
    feature_snapshot: bytes | None = None


@dataclass(frozen=True)
class ImpressionRecord:
    """One position as served."""

    item_id: int
    position: int
    score: float
    row: int = 1
    col: int = 1
    row_kind: str = ""
    slot_kind: str = "exploit"
    team: str = ""
    p_cond: float = 1.0
    log_p_prefix: float = 0.0
    p_click: float | None = None
    p_value: float | None = None
    uncertainty: float | None = None
    reason_codes: Sequence[str] = ()


_JSON = frozenset(
    {
        *("experiment_keys", "alphas", "contenders", "masks", "fixed", "retrieval_sources"),
        "reason_codes",
    }
)
_SLATE_FIELDS = tuple(f.name for f in fields(SlateRecord) if f.name != "feature_snapshot")
_IMPRESSION_FIELDS = tuple(f.name for f in fields(ImpressionRecord))


@transaction.atomic
def write_slate(*, slate: SlateRecord, impressions: Sequence[ImpressionRecord]) -> None:
    """Store one slate, its impressions and its feature snapshot in one transaction."""
    time, key = sql.times(), sql.uuids()
    digest = None
    if slate.feature_snapshot is not None:
        digest = sha256(slate.feature_snapshot).hexdigest()
        blob = zlib.compress(slate.feature_snapshot, 1)
        sql.insert_ignore(
            FeatureSnapshot,
            ("sha256", "blob", "created_at"),
            [(digest, blob, time(slate.decided_at))],
        )
    prepared = {"id": key, "decided_at": time, "model_trained_to": time}
    row = [_prepare(slate, name, prepared) for name in _SLATE_FIELDS]
    sql.insert_ignore(Slate, (*_SLATE_FIELDS, "feature_snapshot_id"), [(*row, digest)])
    add_impressions(slate_id=slate.id, served_at=slate.decided_at, impressions=impressions)


@transaction.atomic
def add_impressions(
    *, slate_id: UUID, served_at: datetime, impressions: Sequence[ImpressionRecord]
) -> None:
    """Add positions to a stored slate (a further page); those already there stay as they are."""
    slate, served = sql.uuids()(slate_id), sql.times()(served_at)
    rows = [
        (slate, served, *(_prepare(shown, name, {}) for name in _IMPRESSION_FIELDS))
        for shown in impressions
    ]
    sql.insert_ignore(Impression, ("slate_id", "served_at", *_IMPRESSION_FIELDS), rows)


def uuid7(at: datetime) -> UUID:
    """Make a UUIDv7 (RFC 9562): it sorts by the millisecond of `at` and is random below."""
    milliseconds = int(at.timestamp() * 1000)
    value = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


def _prepare(record: Any, name: str, prepared: dict[str, Any]) -> Any:
    value = getattr(record, name)
    if name in _JSON:
        return sql.as_json(list(value) if isinstance(value, tuple) else value)
    return prepared[name](value) if name in prepared else value
