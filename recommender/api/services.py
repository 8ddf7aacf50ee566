"""What the API changes by itself, where no other room has a service for it."""

from datetime import UTC, datetime

from django.db import transaction

from recommender.collect.models import RejectedEvent, User
from recommender.jobs.models import Job


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
