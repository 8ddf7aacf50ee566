"""The variants on a version's page: their price, measuring, and which of them serves."""

import pytest
from django.test import Client

from recommender.jobs.models import Job
from recommender.promote import variants
from recommender.promote.models import ModelVersion, Variant
from tests.dashboard.world import NOW, World

SMALLER = {
    "bytes": 900_000,
    "share": 0.25,
    "latency_ms": 0.31,
    "ndcg@10": {"value": 0.1492, "low": 0.13, "high": 0.17, "n": 80},
    "difference": {"value": -0.0008, "low": -0.002, "high": 0.0004, "n": 80},
    "overlap": {"value": 0.985, "low": 0.98, "high": 0.99, "n": 80},
}
WORSE = {
    **SMALLER,
    "bytes": 500_000,
    "share": 0.14,
    "difference": {"value": -0.02, "low": -0.03, "high": -0.01, "n": 80},
}


@pytest.fixture
def measured(world: World) -> ModelVersion:
    """Give the live version an original, a fair variant, a worse one and one that failed."""
    version = world.live
    rows = [
        ("original", {"bytes": 3_600_000, "share": 1.0, "latency_ms": 0.3}, ""),
        ("int8", SMALLER, ""),
        ("short_int8", WORSE, ""),
        ("short", {}, "this model has no vectors"),
    ]
    for name, figures, error in rows:
        state = Variant.State.FAILED if error else Variant.State.READY
        facts = {"figures": figures, "error": error, "state": state, "measured_at": NOW}
        Variant.objects.create(version=version, name=name, **facts)
    return version


def page_of(client: Client, version: ModelVersion) -> str:
    """Return the version's page."""
    return client.get(f"/ops/models/{version.number}/").content.decode()


def test_without_measurements_the_page_offers_to_make_them(world: World, ops: Client):
    page = page_of(ops, world.live)
    assert "What fewer bytes would cost" in page
    assert "Measure smaller variants" in page


def test_measuring_is_queued_once_and_shown(world: World, ops: Client):
    address = f"/ops/models/{world.live.number}/variants/measure/"
    ops.post(address)
    page = ops.post(address, follow=True).content.decode()
    assert Job.objects.filter(task=variants.TASK).count() == 1
    assert "are being measured" in page
    assert "Being measured" in page
    assert "Measure smaller variants" not in page


def test_each_variant_shows_its_price_and_the_smallest_fair_one_is_named(
    measured: ModelVersion, ops: Client
):
    page = page_of(ops, measured)
    assert "−0.0008 (−0.0020 … +0.0004)" in page
    assert "Tables and tower of one byte a number (int8) takes 25 % of the original" in page
    assert "this model has no vectors" in page
    assert page.index("Original, as trained") < page.index("25 %</td>")  # the largest first


def test_a_variant_is_served_through_the_service_and_what_serves_has_no_button(
    measured: ModelVersion, ops: Client, monkeypatch: pytest.MonkeyPatch
):
    asked = []
    monkeypatch.setattr(variants, "serve", lambda **what: asked.append(what))
    ops.post(f"/ops/models/{measured.number}/variants/serve/", {"variant": "int8"})
    assert (asked[0]["version"], asked[0]["name"]) == (measured, "int8")
    assert asked[0]["actor"].startswith("person")
    page = page_of(ops, measured)
    assert page.count('name="variant"') == 2  # neither the original, which serves, nor the failed


def test_an_unknown_variant_is_refused_in_words(measured: ModelVersion, ops: Client):
    address = f"/ops/models/{measured.number}/variants/serve/"
    page = ops.post(address, {"variant": "tiny"}, follow=True).content.decode()
    assert "has no variant" in page
    assert ModelVersion.objects.get(pk=measured.pk).variant == ""


@pytest.mark.parametrize("act", ["measure", "serve"])
def test_who_may_only_look_changes_nothing(measured: ModelVersion, reading: Client, act: str):
    answer = reading.post(f"/ops/models/{measured.number}/variants/{act}/", {"variant": "int8"})
    assert answer.status_code in (302, 403)
    assert not Job.objects.filter(task=variants.TASK).exists()
    assert "Serve this variant" not in page_of(reading, measured)
