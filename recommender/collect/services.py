"""Everything that writes users and events; `record_events` itself stands in `recording`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _

from recommender import clock
from recommender.catalog.models import Catalog
from recommender.collect.checks import is_clean
from recommender.collect.events import EventResult, NewEvent
from recommender.collect.models import User, UserState
from recommender.collect.recording import record_events
from recommender.errors import BadData

__all__ = [
    "EventResult",
    "NewEvent",
    "UserInput",
    "anonymous_user",
    "find_user",
    "put_users",
    "record_events",
    "set_personalized",
    "user_for_account",
]


@dataclass(frozen=True)
class UserInput:
    """A user as another site describes it."""

    external_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@transaction.atomic
def put_users(*, catalog: Catalog, users: Sequence[UserInput]) -> list[User]:
    """Create users or replace their attributes; return the rows in the order given.

    Raises: BadData for an id that cannot be stored.
    """
    for user in users:
        if not user.external_id or not is_clean(user.external_id, 200):
            raise BadData(
                _("The user id %(id)r must have 1 to 200 characters, none of them NUL.")
                % {"id": user.external_id[:50]}
            )
    moment = clock.now()
    latest = {user.external_id: user for user in users}
    rows = [
        User(
            catalog=catalog,
            external_id=external_id,
            attributes=dict(latest[external_id].attributes),
            created_at=moment,
            updated_at=moment,
        )
        for external_id in sorted(latest)
    ]
    User.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["catalog", "external_id"],
        update_fields=["attributes", "updated_at"],
    )
    found = User.objects.filter(catalog=catalog, external_id__in=list(latest))
    # A stored list was made for the old attributes.
    UserState.objects.filter(user__in=found).update(list_seq=None)
    stored = {row.external_id: row for row in found}
    return [stored[user.external_id] for user in users]


@transaction.atomic
def user_for_account(*, catalog: Catalog, account: AbstractBaseUser) -> User:
    """Return who the account is in this catalog, made on first need."""
    found = User.objects.filter(catalog=catalog, account_id=account.pk).first()
    if found:
        return found
    moment = clock.now()
    # Two first requests may race: whoever comes second finds the row of the first.
    User.objects.bulk_create(
        [
            User(
                catalog=catalog,
                account_id=account.pk,
                external_id=f"account:{account.pk}",
                created_at=moment,
                updated_at=moment,
            )
        ],
        ignore_conflicts=True,
    )
    return User.objects.get(catalog=catalog, account_id=account.pk)


@transaction.atomic
def anonymous_user(*, catalog: Catalog, session_key: str) -> User:
    """Return who a browser session is; only a digest of the session key is kept."""
    external_id = "visitor:" + sha256(session_key.encode()).hexdigest()[:32]
    found = find_user(catalog, external_id)
    return found or put_users(catalog=catalog, users=[UserInput(external_id)])[0]


@transaction.atomic
def set_personalized(*, user: User, is_personalized: bool) -> User:
    """Switch a user's personalization off or on for good."""
    user.is_personalized = is_personalized
    user.updated_at = clock.now()
    user.save(update_fields=["is_personalized", "updated_at"])
    return user


def find_user(catalog: Catalog, external_id: str) -> User | None:
    """Find a user by the outside id. One query."""
    return User.objects.filter(catalog=catalog, external_id=external_id).first()
