"""A tiny catalog with two tastes, on which every model learns something in a moment."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

import numpy as np

from recommender.catalog.models import Catalog, Item
from recommender.catalog.services import ItemInput, create_catalog, put_items
from recommender.collect.models import Event, User


def make_world(*, n_users: int = 24, n_items: int = 24, slug: str = "tiny") -> Catalog:
    """Write a catalog in which even users like even items and odd users odd ones."""
    catalog = create_catalog(slug=slug, name="Tiny", scenario="films", default_model="popularity")
    titles = [ItemInput(external_id=f"i{n}", title=f"Film {n}") for n in range(n_items)]
    items = put_items(catalog=catalog, items=titles)
    start = datetime.now(UTC) - timedelta(days=12)
    users = User.objects.bulk_create(
        User(catalog=catalog, external_id=f"u{n}", created_at=start, updated_at=start)
        for n in range(n_users)
    )
    rng = np.random.default_rng(1)
    Event.objects.bulk_create(
        _rating(user, items[n], start + timedelta(days=day, minutes=int(rng.integers(1200))))
        for number, user in enumerate(users)
        for day, n in enumerate(rng.permutation(np.arange(number % 2, n_items, 2))[:9].tolist())
    )
    return catalog


def _rating(user: User, item: Item, at: datetime) -> Event:
    key = f"{user.pk}-{item.pk}"
    return Event(
        catalog=user.catalog,
        event_id=uuid.uuid5(uuid.NAMESPACE_OID, key),
        body_hash=hashlib.sha256(key.encode()).hexdigest(),
        type="rating",
        user=user,
        item=item,
        value=5.0,
        occurred_at=at,
        received_at=at,
        attribution="organic",
        source="api",
    )
