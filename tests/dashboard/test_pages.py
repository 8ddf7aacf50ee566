"""Every page answers, for every role that may read it, full and empty."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.dashboard.world import World

READ = [
    "/ops/",
    "/ops/models/",
    "/ops/models/2/",
    "/ops/models/compare/",
    "/ops/jobs/",
    "/ops/inspect/",
    "/ops/data/",
    "/ops/data/events/",
    "/ops/audit/",
    "/ops/ctr.csv",
]


@pytest.mark.parametrize("address", READ)
def test_an_operator_reads_every_page(world: World, ops: Client, address: str):
    assert ops.get(address).status_code == 200
