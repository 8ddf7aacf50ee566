"""What the API changes by itself, where no other room has a service for it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db import transaction

from recommender import clock
from recommender.catalog.models import Catalog
from recommender.collect.models import RejectedEvent, User
from recommender.jobs.models import Job

PAYLOAD_LENGTH = 2000


def keep_misshapen(*, catalog: Catalog, refused: Sequence[tuple[str, str, Any]]) -> int:
    """Keep entries that were not even events, as (code, detail, what came), for the operator."""
    moment = clock.now()
    rows = [
        RejectedEvent(
            catalog=catalog,
            received_at=moment,
            code=code,
            detail=detail,
            payload=orjson.dumps(raw).decode()[:PAYLOAD_LENGTH],
        )
        for code, detail, raw in refused
    ]
    return len(RejectedEvent.objects.bulk_create(rows))


@transaction.atomic
def erase_user(*, user: User) -> Job:
    """Erase a user: attributes, events and state go, lists lose their person.

    Returns: the record of the erasure, which names nobody.
    """
    moment = datetime.now(UTC)
    quoted = f'"{user.external_id}"'
    RejectedEvent.objects.filter(catalog=user.catalog, payload__contains=quoted).delete()
    user.delete()
    return Job.objects.create(
        task="recommender.erase_user",
        state=Job.State.DONE,
        due_at=moment,
        created_at=moment,
        finished_at=moment,
        attempts=1,
    )
