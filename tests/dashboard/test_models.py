"""Versions: figures on the page, comparison, and the acts of an operator."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from recommender.dashboard import queries_models
from recommender.dashboard.views_models import config_diff, gap_of
from recommender.errors import Refused
from recommender.promote import services as promote_services
from recommender.promote.models import Promotion
from tests.dashboard.world import NOW, World, measured, switch
from tests.factories import make_catalog, make_run, make_version
from tests.serve.conftest import write_neighbors


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Record what the page asks of `promote`, whose own tests prove the rest."""
    made: list[tuple[str, dict[str, Any]]] = []

    def record(name: str) -> Any:
        def call(**asked: Any) -> Promotion:
            made.append((name, asked))
            version = asked.get("version") or asked["catalog"].versions.get(number=1)
            return switch(version.catalog, version, None, NOW)

        return call

    for name in ("promote", "roll_back", "discard"):
        monkeypatch.setattr(promote_services, name, record(name))
    return made


def test_the_table_shows_state_and_figures(world: World, ops: Client):
    page = ops.get("/ops/models/").content.decode()
    assert "0.150" in page  # NDCG@10 of the live version
    assert "0.130 – 0.170" in page
    assert 'class="is-live"' in page


def test_a_version_shows_its_training_time_or_a_dash_where_nobody_measured(
    world: World, ops: Client
):
    def shown() -> str:
        page = ops.get(f"/ops/models/{world.live.number}/").content.decode()
        return page.split("Training time (CPU)</dt><dd>")[1].split("</dd>")[0]

    assert shown() == "–"
    type(world.live).objects.filter(pk=world.live.pk).update(train_cpu_s=120.0)
    assert shown() == "2 minutes"


def test_a_version_shows_whether_its_chances_came_true(
    world: World, ops: Client, settings: Any, tmp_path: Path
):
    settings.ARTIFACTS_DIR = tmp_path
    number = world.live.number
    assert "came true" not in ops.get(f"/ops/models/{number}/").content.decode()  # no artifact
    write_neighbors(tmp_path / world.live.path, world.items, chances=True)
    page = ops.get(f"/ops/models/{number}/").content.decode()
    assert "Do its chances come true?" in page
    assert "800 listed items of people held out" in page
    assert "differ by 0.0100" in page
    assert "60 items taken within 7.0 days" in page


def test_clicks_appear_under_the_version_that_showed_them(world: World, ops: Client):
    rows = ops.get("/ops/models/").context["rows"]
    shown = {row.label: (row.clicks.viewed, row.clicks.clicked) for row in rows}
    assert shown == {"v1": (36, 3), "v2": (36, 12)}


def test_the_table_costs_three_queries_for_any_number_of_versions(
    world: World, django_assert_num_queries
):
    for number in range(3, 9):
        measured(make_version(world.catalog, number=number, snapshot=world.first.snapshot), 0.1)
    with django_assert_num_queries(3):
        rows = queries_models.versions(world.catalog)
        assert [row.version.snapshot.n_events for row in rows] == [10] * 8


def test_the_newest_evaluation_counts(world: World):
    measured(world.live, 0.33)
    row = queries_models.version_row(world.catalog, 2)
    figure = row.figure("ndcg@10")
    assert figure is not None
    assert figure.value == 0.33


def test_bare_numbers_and_undefined_metrics_are_read():
    found = queries_models.read_figures({"a": 0.5, "b": {"value": None}, "c": {"value": 1.0}})
    assert found == {"a": queries_models.Figure(0.5), "c": queries_models.Figure(1.0, None, None)}


def test_promoting_takes_one_post_and_names_who_did_it(world: World, ops: Client, calls):
    answer = ops.post("/ops/models/1/promote/", {"reason": "better lists"})
    assert answer.status_code == 302
    ((name, asked),) = calls
    assert name == "promote"
    assert asked["version"] == world.first
    assert asked["reason"] == "better lists"
    assert asked["actor"].startswith("person")
    assert asked["force"] is False


def test_a_version_that_the_gate_kept_back_needs_its_name_typed(world: World, ops: Client, calls):
    version = make_version(world.catalog, number=3, state="rejected", snapshot=world.first.snapshot)
    page = ops.post("/ops/models/3/promote/", follow=True).content.decode()
    assert calls == []
    assert "Type v3 to promote it all the same" in page
    ops.post("/ops/models/3/promote/", {"confirm": "v3"})
    assert calls[0][1]["version"] == version
    assert calls[0][1]["force"] is True


def test_a_verdict_against_a_candidate_asks_for_its_name_too(world: World, ops: Client, calls):
    version = make_version(world.catalog, number=3, snapshot=world.first.snapshot)
    checks = [{"name": "coverage", "passed": False, "value": 0.1, "limit": 0.3, "text": ""}]
    verdict = {"is_better": False, "sentence": "", "checks": checks}
    make_run(world.catalog, state="rejected", model_version=version, verdict=verdict)
    page = ops.get("/ops/models/3/").content.decode()
    assert 'name="confirm"' in page
    assert "Its lists reach only 10.0 % of all items; at least 30.0 % is asked for." in page
    table = ops.get("/ops/models/").content.decode()
    assert "Decide on v3" in table and "/ops/models/3/promote/" not in table
    ops.post("/ops/models/3/promote/", {"confirm": "v4"})
    assert calls == []


def test_a_refusal_is_shown_in_words(world: World, ops: Client, monkeypatch: pytest.MonkeyPatch):
    def refuse(**asked: Any) -> None:
        raise Refused("v1 is live already.")

    monkeypatch.setattr(promote_services, "promote", refuse)
    page = ops.post("/ops/models/1/promote/", follow=True).content.decode()
    assert "v1 is live already." in page


def test_rolling_back_takes_one_post(world: World, ops: Client, calls):
    page = ops.post("/ops/models/roll-back/", follow=True).content.decode()
    assert calls[0][0] == "roll_back"
    assert calls[0][1]["catalog"] == world.catalog
    assert "v1 is live again." in page


def test_a_candidate_can_be_set_aside(world: World, ops: Client, calls):
    make_version(world.catalog, number=3, snapshot=world.first.snapshot)
    ops.post("/ops/models/3/discard/")
    assert [name for name, _asked in calls] == ["discard"]


def test_acts_on_another_catalog_use_its_own_version(world: World, ops: Client, calls):
    shop = make_catalog(slug="shop")
    other = make_version(shop, number=1)
    answer = ops.post("/ops/models/1/promote/?catalog=shop")
    assert calls[0][1]["version"] == other
    assert answer["Location"].endswith("/ops/models/1/?catalog=shop")


def test_comparing_shows_the_paired_difference(world: World, ops: Client):
    page = ops.get("/ops/models/compare/?a=v1&b=v2").content.decode()
    assert "v2 is better than v1: NDCG@10 +0.050 [+0.010 … +0.090]" in page
    assert "paired, same users" in page


def test_swapping_the_two_turns_the_sign(world: World):
    first, live = (queries_models.version_row(world.catalog, n) for n in (1, 2))
    gap = gap_of(live, first, "ndcg@10")
    assert gap is not None
    assert (gap.value, gap.low, gap.high) == (-0.05, -0.09, -0.01)
    assert gap.is_good is False


def test_without_a_pair_the_interval_is_wider(world: World):
    first, live = (queries_models.version_row(world.catalog, n) for n in (1, 2))
    gap = gap_of(first, live, "precision@10")
    assert gap is not None
    assert not gap.is_paired
    # Two half-widths of .02 join to .02 · √2.
    assert gap.high - gap.value == pytest.approx(0.02 * 2**0.5)


def test_less_gini_is_better(world: World):
    measured(world.live, 0.15, metrics={"gini@10": {"value": 0.2, "low": 0.19, "high": 0.21}})
    first, live = (queries_models.version_row(world.catalog, n) for n in (1, 2))
    gap = gap_of(first, live, "gini@10")
    assert gap is not None
    assert gap.is_good is True


def test_the_settings_that_differ_are_listed():
    found = config_diff({"epochs": 10, "seed": 1}, {"epochs": 20, "seed": 1, "heads": 2})
    assert found == [("epochs", 10, 20), ("heads", "–", 2)]


def test_different_windows_are_warned_about(world: World, ops: Client):
    measured(make_version(world.catalog, number=3), 0.2)
    page = ops.get("/ops/models/compare/?a=1&b=3").content.decode()
    assert "measured on different windows" in page


def test_one_version_alone_says_what_comparing_needs(db: None, ops: Client):
    make_version(make_catalog(is_default=True), number=1, state="live")
    page = ops.get("/ops/models/compare/").content.decode()
    assert "train a second one" in page


def test_every_decision_is_listed_with_its_reason(world: World, ops: Client):
    at = NOW - timedelta(hours=1)
    decision = switch(world.catalog, world.live, world.first, at)
    Promotion.objects.filter(pk=decision.pk).update(actor="anna", reason="<b>because</b>")
    page = ops.get("/ops/audit/").content.decode()
    assert "anna" in page
    assert "&lt;b&gt;because&lt;/b&gt;" in page
    assert "2026-03-15 11:00" in page
