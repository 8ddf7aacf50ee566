"""One small films catalog behind the pages, with nothing left over from the test before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client

from recommender import clock
from recommender.catalog.models import Catalog, Item
from recommender.collect.models import Slate, User
from recommender.collect.tokens import make_token
from recommender.serve import services as serve
from tests.factories import START, make_catalog, make_event, make_item, make_slate, make_user

NOW = START + timedelta(days=20)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    cache.clear()
    serve.forget()
    with clock.at(NOW):
        yield
    cache.clear()
    serve.forget()


@dataclass(frozen=True)
class World:
    catalog: Catalog
    items: list[Item]
    people: list[User]

    def token(self, item: Item, user: User | None = None, **fields: object) -> str:
        """Show one item and return its token."""
        slate: Slate = make_slate(self.catalog, [item], user, at=NOW, **fields)
        return make_token(slate.id, 1)


@pytest.fixture
def world(db: None) -> World:
    catalog = make_catalog(slug="films", is_default=True, is_demo=True, notice="Ratings: GroupLens")
    genres = (["Drama"], ["Comedy", "Drama"], ["Horror"])
    items = [make_item(catalog, categories=genres[n % 3]) for n in range(30)]
    people = [make_user(catalog) for _ in range(2)]
    for index, user in enumerate(people):
        for item in items[index : index + 6]:
            make_event(user, item, value=4.0, at=NOW - timedelta(days=2))
    return World(catalog, items, people)


@pytest.fixture
def browser() -> Client:
    """A browser that checks CSRF like a real one."""
    return Client(enforce_csrf_checks=True)


def post_form(client: Client, page: str, action: str, **data: object):
    """Load a page, then send a form as its reader would, with the page's CSRF token."""
    client.get(page)
    return client.post(action, {"csrfmiddlewaretoken": client.cookies["csrf"].value} | data)
