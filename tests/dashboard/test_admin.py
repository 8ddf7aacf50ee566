"""Raw rows can be read under /admin/, facts cannot be changed."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.dashboard.world import World

ROWS = [
    "event",
    "slate",
    "impression",
    "modelversion",
    "promotion",
    "trainingrun",
    "apikey",
    "item",
]


@pytest.mark.parametrize("name", ROWS)
def test_facts_are_listed_and_not_added(world: World, ops: Client, name: str):
    assert ops.get(f"/admin/recommender/{name}/").status_code == 200
    assert ops.get(f"/admin/recommender/{name}/add/").status_code == 403


def test_a_version_is_shown_without_a_way_to_save(world: World, ops: Client):
    page = ops.get(f"/admin/recommender/modelversion/{world.live.pk}/change/").content.decode()
    assert 'name="_save"' not in page


def test_a_slate_is_shown_without_its_packed_arrays(world: World, ops: Client):
    page = ops.get(f"/admin/recommender/slate/{world.slates[0].pk}/change/").content.decode()
    assert "Policy id" in page
    assert "Logits" not in page
