"""What a version would have earned, on its page: a sentence, or why there is none."""

import pytest
from django.test import Client

from recommender.estimate import services
from recommender.estimate.models import Estimate
from recommender.jobs.models import Job
from tests.dashboard.world import NOW, World

FIGURES = {
    "earned": {"value": 1.2, "low": 1.1, "high": 1.3, "n": 300},
    "value": {"value": 1.35, "low": 1.2, "high": 1.5, "n": 300},
    "difference": {"value": 0.15, "low": 0.05, "high": 0.25, "n": 300},
    "sample": 411.6,
    "outside": 0.013,
    "lost": 2,
}


def page_of(client: Client, world: World) -> str:
    """Return the live version's page."""
    return client.get(f"/ops/models/{world.live.number}/").content.decode()


def estimate(world: World, **fields) -> Estimate:
    facts = {"made_at": NOW, "until": NOW, "n": 900, "n_users": 300, "is_simulated": False}
    facts |= {"figures": FIGURES} | fields
    return Estimate.objects.create(catalog=world.live.catalog, model_version=world.live, **facts)


def test_without_an_estimate_the_page_offers_one(world: World, ops: Client):
    page = page_of(ops, world)
    assert "What this version would have earned" in page
    assert "Estimate it" in page


def test_an_estimate_is_a_sentence_with_intervals_and_its_evidence(world: World, ops: Client):
    estimate(world)
    page = page_of(ops, world)
    assert "would have earned 1.350 (1.200 … 1.500) clicks a list" in page
    assert "difference +0.150 (+0.050 … +0.250)" in page
    assert "900 lists of 300 people" in page
    assert "worth 412 lists of its own. Not covered: 1.3 %." in page


@pytest.mark.parametrize("name", ["users", "sample", "outside", "weights", "fallback"])
def test_a_refused_estimate_shows_its_reason_and_no_figure(world: World, ops: Client, name: str):
    estimate(world, refusals=[name])
    page = page_of(ops, world)
    assert "This cannot be told from the lists that were shown" in page
    assert "would have earned 1.350" not in page


def test_an_estimate_without_any_list_is_refused_without_a_fault(world: World, ops: Client):
    estimate(world, n=0, n_users=0, refusals=["users"], figures={"lost": 0})
    assert "0 lists of 0 people" in page_of(ops, world)


def test_it_is_queued_once_and_only_by_operators(world: World, ops: Client, client: Client):
    address = f"/ops/models/{world.live.number}/estimate/"
    ops.post(address)
    page = ops.post(address, follow=True).content.decode()
    assert Job.objects.filter(task=services.TASK).count() == 1
    assert "is being estimated" in page
    assert client.post(address).status_code == 302  # to the login
    assert Job.objects.filter(task=services.TASK).count() == 1
