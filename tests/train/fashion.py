"""A tiny catalog whose fashion turned once: to forget fast is right, the default does not.

Everybody took one kind of film for ten weeks and takes another kind since, two a week.
"""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

import numpy as np

from recommender.catalog.models import Catalog, Item
from recommender.catalog.services import ItemInput, create_catalog, put_items
from recommender.collect.models import Event, User

WEEKS, TURN = 24, 10
KIND = 40  # films of each of the two kinds


def make_fashion(*, n_users: int = 30, slug: str = "fashion") -> Catalog:
    """Write the catalog: popularity is best with a half-life of days, not of a year."""
    catalog = create_catalog(slug=slug, name="Fashion", scenario="films")
    titles = [ItemInput(external_id=f"i{n}", title=f"Film {n}") for n in range(2 * KIND)]
    items = put_items(catalog=catalog, items=titles)
    start = datetime.now(UTC) - timedelta(weeks=WEEKS + 1)
    users = User.objects.bulk_create(
        User(catalog=catalog, external_id=f"u{n}", created_at=start, updated_at=start)
        for n in range(n_users)
    )
    rng = np.random.default_rng(3)
    Event.objects.bulk_create(
        _rating(user, items[n], start + timedelta(weeks=week, minutes=int(rng.integers(9_000))))
        for user in users
        for week, n in _taken(rng)
    )
    return catalog


def _taken(rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return (week, film) of one user, no film twice."""
    old, new = rng.permutation(KIND), KIND + rng.permutation(KIND)
    films = [*old[: 2 * TURN], *new[: 2 * (WEEKS - TURN)]]
    return [(place // 2, int(film)) for place, film in enumerate(films)]


def _rating(user: User, item: Item, at: datetime) -> Event:
    key = uuid.uuid4()
    return Event(
        catalog=user.catalog,
        event_id=key,
        body_hash=hashlib.sha256(key.bytes).hexdigest(),
        type="rating",
        user=user,
        item=item,
        value=5.0,
        occurred_at=at,
        received_at=at,
        attribution="organic",
        source="api",
    )
