"""Fixtures of the panel: a frozen clock, a world, and clients of each role."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client

from recommender import clock
from tests.dashboard.world import NOW, World, make_world, operator, viewer
from tests.factories import make_account


@pytest.fixture(autouse=True)
def _frozen() -> Iterator[None]:
    with clock.at(NOW):
        yield


@pytest.fixture
def world(db: None) -> World:
    return make_world()


@pytest.fixture
def ops(db: None) -> Client:
    client = Client()
    client.force_login(operator())
    return client


@pytest.fixture
def reading(db: None) -> Client:
    client = Client()
    client.force_login(viewer())
    return client


@pytest.fixture
def visitor(db: None) -> Client:
    client = Client()
    client.force_login(make_account())
    return client
