"""Idempotency-Key: the first answer to a POST is kept and replayed for 24 hours."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from django.db import transaction
from django.db.models import QuerySet

from recommender.accounts.models import ApiKey, IdempotentReply
from recommender.collect import sql

KEPT = timedelta(hours=24)
# A request that has not answered by now died with its process; the next one may try again.
GIVEN_UP_AFTER = timedelta(minutes=2)


@dataclass(frozen=True)
class Begin:
    """What to do with a request that carries an Idempotency-Key."""

    state: Literal["first", "replay", "in_flight", "mismatch"]
    reply: IdempotentReply


@transaction.atomic
def begin(*, key: ApiKey, idempotency_key: str, request_hash: str) -> Begin:
    """Claim an Idempotency-Key, or say who has it.

    `first`: do the work, then `finish` (or `abandon` when it failed before doing anything).
    `replay`: send `reply` as it is. `in_flight`: the first is still at work. `mismatch`: the key
    was used with another request.
    """
    now = datetime.now(UTC)
    rows = IdempotentReply.objects.filter(key=key, idempotency_key=idempotency_key)
    rows.filter(created_at__lt=now - KEPT).delete()
    claimed = sql.insert_returning(
        IdempotentReply,
        (
            *("key_id", "idempotency_key", "request_hash", "content_type"),
            *("headers", "body", "created_at"),
        ),
        [(key.pk, idempotency_key, request_hash, "", "{}", b"", sql.times()(now))],
        ("id",),
    )
    reply = rows.get()
    if claimed:
        return Begin("first", reply)
    if reply.request_hash != request_hash:
        return Begin("mismatch", reply)
    if reply.status is not None:
        return Begin("replay", reply)
    return Begin("first" if _take_over(rows, reply, now) else "in_flight", reply)


@transaction.atomic
def finish(
    *,
    reply: IdempotentReply,
    status: int,
    content_type: str,
    headers: Mapping[str, str],
    body: bytes,
) -> IdempotentReply:
    """Keep the first answer, byte for byte."""
    reply.status = status
    reply.content_type = content_type
    reply.headers = dict(headers)
    reply.body = body
    reply.save(update_fields=["status", "content_type", "headers", "body"])
    return reply


def abandon(*, reply: IdempotentReply) -> None:
    """Let the key go: the request failed before it did anything, so it may be sent again."""
    IdempotentReply.objects.filter(pk=reply.pk, status=None).delete()


def forget_old_replies() -> int:
    """Delete answers older than 24 hours; return how many."""
    deleted, _rows = IdempotentReply.objects.filter(
        created_at__lt=datetime.now(UTC) - KEPT
    ).delete()
    return deleted


def _take_over(rows: QuerySet[IdempotentReply], reply: IdempotentReply, now: datetime) -> bool:
    # Compare and set: of two that come after a death only one goes on.
    return bool(
        reply.created_at < now - GIVEN_UP_AFTER
        and rows.filter(status=None, created_at=reply.created_at).update(created_at=now)
    )
