"""Reads for the API's resources. A key sees one catalog: what lies outside it is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from recommender.accounts.models import ApiKey
from recommender.catalog.models import Catalog, Item
from recommender.catalog.services import find_item
from recommender.collect.models import Event, Slate, User
from recommender.collect.services import find_user
from recommender.errors import Missing
from recommender.jobs.models import Job
from recommender.jobs.services import OPEN
from recommender.promote.models import ModelVersion
from recommender.train.models import SettingsChange, TrainingRun

NOUNS = (
    gettext_noop("item"),
    gettext_noop("user"),
    gettext_noop("slate"),
    gettext_noop("run"),
    gettext_noop("version"),
    gettext_noop("rating"),
    gettext_noop("model"),
    gettext_noop("variant"),
)
FAR = 2**31 - 1  # larger numbers in an address cannot be anybody's


@dataclass(frozen=True)
class UserCard:
    """A user with the figures that the profile keeps."""

    user: User
    profile_updated_at: datetime | None
    rating_count: int


def nothing(kind: str, name: str) -> str:
    """Say that this catalog has no such thing."""
    return _("There is no %(kind)s %(name)r in this catalog.") % {
        "kind": _(kind),
        "name": name[:60],
    }


def item(catalog: Catalog, external_id: str) -> Item:
    """Find an item. One query. Raises: Missing."""
    found = find_item(catalog, external_id)
    if found is None:
        raise Missing(nothing("item", external_id))
    return found


def has_item(catalog: Catalog, external_id: str) -> bool:
    """Say whether an item exists. One query."""
    return catalog.items.filter(external_id=external_id).exists()


def user(catalog: Catalog, external_id: str) -> User:
    """Find a user. One query. Raises: Missing."""
    found = find_user(catalog, external_id)
    if found is None:
        raise Missing(nothing("user", external_id))
    return found


def has_user(catalog: Catalog, external_id: str) -> bool:
    """Say whether a user exists. One query."""
    return catalog.users.filter(external_id=external_id).exists()


def user_card(catalog: Catalog, external_id: str) -> UserCard:
    """Find a user and the state that events keep. One query. Raises: Missing."""
    found = catalog.users.filter(external_id=external_id).select_related("state").first()
    if found is None:
        raise Missing(nothing("user", external_id))
    state = getattr(found, "state", None)  # a user who did nothing yet has none
    if state is None:
        return UserCard(found, None, 0)
    return UserCard(found, state.profile_updated_at, state.rating_count)


def standing_ratings(catalog: Catalog, user: str, item: str) -> list[Event]:
    """List the ratings of an item by a user that were not taken back, newest first. One query."""
    return list(
        Event.objects.standing()
        .filter(catalog=catalog, user__external_id=user, item__external_id=item, type="rating")
        .order_by("-occurred_at", "-id")
    )


def deeds(user: User) -> list[dict[str, Any]]:
    """List all that a user did, oldest first. One query."""
    rows = Event.objects.by_user(user).values(
        *("event_id", "type", "item__external_id", "value", "reason"),
        *("occurred_at", "received_at", "source", "slate_id", "position"),
    )
    return [{"item": row.pop("item__external_id"), **row} for row in rows]


def shown_lists(user: User) -> list[dict[str, Any]]:
    """List what a user was shown, oldest first. Two queries."""
    slates = (
        Slate.objects.filter(user=user)
        .select_related("model_version")
        .prefetch_related("impressions__item")
        .order_by("decided_at")
        .defer("candidates", "logits", "masks")
    )
    return [
        {
            "slate_id": slate.pk,
            "decided_at": slate.decided_at,
            "surface": slate.surface,
            "strategy": slate.strategy,
            "model_version": slate.model_version.label if slate.model_version else None,
            "items": [
                shown.item.external_id
                for shown in sorted(slate.impressions.all(), key=lambda shown: shown.position)
            ],
        }
        for slate in slates.iterator(chunk_size=500)
    ]


def slate(catalog: Catalog, slate_id: Any) -> Slate:
    """Find a slate with its positions. Two queries. Raises: Missing."""
    found = (
        catalog.slates.filter(pk=slate_id)
        .select_related("user", "model_version")
        .prefetch_related("impressions__item")
        .first()
    )
    if found is None:
        raise Missing(nothing("slate", str(slate_id)))
    return found


def item_names(catalog: Catalog, keys: Sequence[int]) -> dict[int, str]:
    """Map item keys to outside ids. One query."""
    return dict(catalog.items.filter(pk__in=keys).values_list("pk", "external_id"))


def run(catalog: Catalog, name: str) -> TrainingRun:
    """Find a run by the number that its address carries. One query. Raises: Missing."""
    number = int(name) if name.isascii() and name.isdigit() and len(name) < 11 else FAR
    found = (
        catalog.runs.filter(pk=number).select_related("model_version", "search", "teacher").first()
    )
    if found is None:
        raise Missing(nothing("run", name))
    return found


def version(catalog: Catalog, label: str) -> ModelVersion:
    """Find a version by its label, such as v12. One query. Raises: Missing."""
    digits = label.removeprefix("v")
    is_label = label != digits and digits.isascii() and digits.isdigit() and len(digits) < 11
    number = min(int(digits), FAR) if is_label else FAR
    found = catalog.versions.filter(number=number).first()
    if found is None:
        raise Missing(nothing("version", label))
    return found


def versions(catalog: Catalog, *, before: int, limit: int) -> list[ModelVersion]:
    """List versions with numbers below `before`, newest first, with evaluations. Two queries."""
    return list(
        catalog.versions.filter(number__lt=before)
        .order_by("-number")
        .prefetch_related("evaluations")[:limit]
    )


def held_settings(catalog: Catalog) -> list[SettingsChange]:
    """List the newest change of each model's settings, by the model's name. One query."""
    newest = {change.model: change for change in catalog.settings_changes.order_by("pk")}
    return [newest[name] for name in sorted(newest)]


def has_open_job(key: str) -> bool:
    """Say whether a job of this key waits or is at work. One query."""
    return Job.objects.filter(dedup_key=key, state__in=OPEN).exists()


def allowed_origins() -> set[str]:
    """List the origins of all publishable keys in use. One query."""
    keys = ApiKey.objects.filter(kind=ApiKey.Kind.PUBLISHABLE, revoked_at=None)
    return {origin for origins in keys.values_list("origins", flat=True) for origin in origins}
