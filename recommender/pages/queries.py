"""What the pages read across rooms; each function says what it costs."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.cache import cache
from django.core.paginator import Page, Paginator
from django.db.models import Avg, Count

from recommender import clock
from recommender.catalog.models import Catalog, Item
from recommender.collect.models import Event, User, UserState

MEANS_FOR_S = 300
CATEGORIES_FOR_S = 600
EVENTS_PER_PAGE = 50
LISTED = ("rating", "like", "want", "cart", "purchase", "share", "click")


@dataclass(frozen=True)
class Crowd:
    """What everybody together said of one item."""

    mean: float | None
    count: int


@dataclass(frozen=True)
class HiddenItem:
    """An item that the user dismissed, and the events to take back to see it again."""

    item: Item
    event_ids: tuple[UUID, ...]
    reason: str
    at: datetime


def default_catalog() -> Catalog | None:
    """Return the catalog whose pages stand at `/`: the default one, else the oldest. One query."""
    return Catalog.objects.order_by("-is_default", "pk").first()


def find_catalog(slug: str) -> Catalog | None:
    """Return the catalog of an address; no slug means the default one. One query."""
    return Catalog.objects.filter(slug=slug).first() if slug else default_catalog()


def user_of_account(catalog: Catalog, account_id: int) -> User | None:
    """Return who an account is in this catalog. One query."""
    return User.objects.filter(catalog=catalog, account_id=account_id).first()


def visitor(catalog: Catalog, key: int) -> User | None:
    """Return a visitor without an account by primary key. One query."""
    return User.objects.filter(catalog=catalog, pk=key, account=None).first()


def find_item(catalog: Catalog, key: int) -> Item | None:
    """Return an item that may be shown now. One query."""
    return Item.objects.visible(clock.now()).filter(catalog=catalog, pk=key).first()


def find_item_by_reference(catalog: Catalog, external_id: str) -> Item | None:
    """Return an item by its outside id, shown or not. One query."""
    return Item.objects.filter(catalog=catalog, external_id=external_id).first()


def items_by_key(keys: Iterable[int]) -> dict[int, Item]:
    """Return the items with these keys. One query."""
    return Item.objects.in_bulk(list(keys))


def crowd_of(catalog: Catalog, keys: Sequence[int]) -> dict[int, Crowd]:
    """Return mean and number of ratings by item; kept for five minutes, one query for the rest."""
    names = {f"crowd:{catalog.pk}:{key}": key for key in keys}
    found = {names[name]: value for name, value in cache.get_many(names).items()}
    missing = [key for key in keys if key not in found]
    if missing:
        rated = (
            Event.objects.standing()
            .filter(item_id__in=missing, type="rating")
            .order_by()
            .values_list("item_id")
            .annotate(Avg("value"), Count("user_id", distinct=True))
        )
        fresh = dict.fromkeys(missing, Crowd(None, 0))
        fresh |= {key: Crowd(mean, count) for key, mean, count in rated}
        cache.set_many(
            {f"crowd:{catalog.pk}:{key}": value for key, value in fresh.items()}, MEANS_FOR_S
        )
        found |= fresh
    return found


def rating_counts(item: Item) -> dict[float, int]:
    """Count an item's standing ratings by value. One query."""
    rated = Event.objects.standing().filter(item=item, type="rating", value__isnull=False)
    return dict(rated.order_by("value").values_list("value").annotate(Count("pk")))


def own_ratings(user: User | None, keys: Sequence[int]) -> dict[int, float]:
    """Return the user's latest standing rating by item. One query, none without a user."""
    if user is None or not keys:
        return {}
    rated = Event.objects.standing().by_user(user).filter(item_id__in=keys, type="rating")
    return {
        key: value
        for key, value in rated.values_list("item_id", "value")
        if key and value is not None
    }


def rating_count(user: User | None) -> int:
    """Count what the user has rated. One query, none without a user."""
    if user is None:
        return 0
    counted = UserState.objects.filter(user=user).values_list("rating_count", flat=True).first()
    return counted or 0


def categories(catalog: Catalog) -> list[tuple[str, int]]:
    """Count shown items by category, largest first; kept until items change (≤ 10 minutes)."""
    name = f"categories:{catalog.pk}:{catalog.items_seq}"
    stored: list[tuple[str, int]] | None = cache.get(name)
    if stored is None:
        shown = Item.objects.visible(clock.now()).filter(catalog=catalog)
        counted = Counter(
            category
            for names in shown.values_list("categories", flat=True).iterator()
            for category in names
        )
        stored = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
        cache.set(name, stored, CATEGORIES_FOR_S)
    return stored


def history(user: User, number: int) -> Page[Event]:
    """Return one page of what the user did, newest first. Two queries."""
    events = (
        Event.objects.standing()
        .filter(user=user, type__in=LISTED, item__isnull=False)
        .select_related("item", "slate")
        .order_by("-occurred_at", "-pk")
    )
    return Paginator(events, EVENTS_PER_PAGE).get_page(number)


def hidden_items(user: User) -> list[HiddenItem]:
    """Return what the user dismissed, latest first. One query."""
    events = (
        Event.objects.standing()
        .filter(user=user, type="dismiss", item__isnull=False)
        .select_related("item")
        .order_by("-occurred_at", "-pk")
    )
    grouped: dict[int, list[Event]] = {}
    for event in events:
        grouped.setdefault(event.item_id or 0, []).append(event)
    return [
        HiddenItem(
            item=group[0].item,  # type: ignore[arg-type]
            event_ids=tuple(event.event_id for event in group),
            reason=next((event.reason for event in group if event.reason), ""),
            at=group[0].occurred_at,
        )
        for group in grouped.values()
    ]


def dismissals(user: User | None, item: Item) -> list[UUID]:
    """Return the standing dismissals of one item. One query, none without a user."""
    if user is None:
        return []
    events = Event.objects.standing().by_user(user).filter(item=item, type="dismiss")
    return list(events.values_list("event_id", flat=True))
