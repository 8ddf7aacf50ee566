"""The overview: its sentence, its tiles, its first run."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from recommender.collect.models import Slate
from recommender.dashboard import overview
from recommender.dashboard.findings import Finding
from recommender.dashboard.queries_models import Switch, versions
from recommender.dashboard.queries_traffic import Rate, window_of
from recommender.promote.models import ModelVersion
from tests.dashboard.world import NOW, World, make_world
from tests.factories import make_catalog, make_event, make_item, make_run, make_user

BUDGET = 44  # all queries of the page, session and account included


def html(client: Client, address: str = "/ops/") -> str:
    return client.get(address).content.decode()


def figure_json(page: str, name: str) -> dict:
    found = re.search(rf'<script id="figure-{name}" type="application/json">(.*?)</script>', page)
    assert found is not None
    return json.loads(found.group(1))


def test_tiles_hold_the_recomputed_values(world: World, ops: Client):
    page = html(ops)
    assert "20.8 %" in page  # 15 clicks of 72 seen
    assert "of 72 items seen" in page
    assert "50.0 %" in page  # 3 of 6 items
    assert "data up to" in page


def test_tiles_take_quality_from_the_live_version(world: World, ops: Client):
    window = window_of(world.catalog, 28, NOW)
    rows = versions(world.catalog)
    tiles = overview.tiles(window, overview.read_traffic(window), rows)
    ndcg = next(tile for tile in tiles if tile.name == "NDCG@10")
    assert (ndcg.value, ndcg.delta, ndcg.is_good) == ("0.150", "+0.050", True)
    assert ndcg.interval == "95 %: 0.130 – 0.170"


def test_a_slower_answer_is_bad_although_it_goes_up(world: World):
    window = window_of(world.catalog, 3, NOW)
    tiles = overview.tiles(window, overview.read_traffic(window), versions(world.catalog))
    p95 = next(tile for tile in tiles if tile.name == "p95")
    assert p95.delta.startswith("+")
    assert p95.is_good is not True


def test_the_page_costs_a_bounded_number_of_queries(world: World, ops: Client):
    with CaptureQueriesContext(connection) as few:
        ops.get("/ops/")
    for n in range(30):
        make_event(world.users[0], world.items[0], at=NOW - timedelta(minutes=n))
    with CaptureQueriesContext(connection) as many:
        ops.get("/ops/")
    assert len(few) == len(many)
    assert len(few) <= BUDGET


def test_the_chart_marks_when_models_switched(world: World, ops: Client):
    layout = figure_json(html(ops), "ctr")["figure"]["layout"]
    assert [note["text"] for note in layout["annotations"]] == ["v1", "v2"]
    assert layout["annotations"][1]["x"] == (NOW - timedelta(days=3)).date().isoformat()


def test_versions_stand_beside_random_and_popularity(world: World, ops: Client):
    (dots,) = figure_json(html(ops), "ndcg-at-10")["figure"]["data"]
    assert dots["x"] == ["Random", "Popularity", "v1 Item neighbors", "v2 Item neighbors"]
    assert dots["y"][2:] == [0.1, 0.15]
    assert dots["marker"]["symbol"][-1] == "circle"


def test_the_range_is_in_the_address(world: World, ops: Client):
    Slate.objects.filter(pk=world.slates[0].pk).update(decided_at=NOW - timedelta(days=40))
    assert "of 72 items seen" in html(ops, "/ops/?days=90")
    assert "of 69 items seen" in html(ops, "/ops/?days=28")


def test_nonsense_in_the_address_means_28_days(world: World, ops: Client):
    assert "of 72 items seen" in html(ops, "/ops/?days=999&traffic=martians")


def test_demo_data_is_labeled(world: World, ops: Client):
    assert "badge-demo" not in html(ops)
    Slate.objects.filter(user=world.users[0]).update(is_simulated=True)
    assert "badge-demo" in html(ops)
    assert "badge-demo" not in html(ops, "/ops/?traffic=people")


def test_the_csv_holds_the_same_counts(world: World, ops: Client):
    answer = ops.get("/ops/ctr.csv?days=28")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert sum(int(row["seen"]) for row in rows) == 72
    assert {row["version"] for row in rows} == {"v1", "v2"}


def test_running_jobs_are_shown(world: World, ops: Client):
    run = make_run(world.catalog, state="training", epoch=6, epochs=20, progress=0.3, eta_s=240.0)
    page = html(ops)
    assert f"/ops/jobs/{run.pk}/" in page
    assert "about 4:00 left" in page


def test_an_empty_site_shows_the_checklist(db: None, ops: Client):
    page = html(ops)
    assert "First steps" in page
    assert page.count("✓") == 0


def test_the_checklist_ticks_itself(db: None, ops: Client):
    catalog = make_catalog(is_default=True)
    make_event(make_user(catalog), make_item(catalog))
    page = html(ops)
    assert page.count("✓") == 2  # items and interactions
    assert "Interactions 1 / 1,000" in page
    assert "Train a model" in page


def test_a_live_model_without_visits_shows_tiles_and_says_so(db: None, ops: Client):
    world = make_world(days=0)
    assert not world.slates
    page = html(ops)
    assert "No item was seen in this range yet." in page
    assert 'data-chart="figure-ctr"' not in page


def live_row(world: World):
    return next(row for row in versions(world.catalog) if row.is_live)


def rates(before: tuple[int, int], after: tuple[int, int], world: World) -> list[Rate]:
    return [
        Rate(None, version.pk, seen, clicked, 50, clicked, clicked, seen)
        for version, (seen, clicked) in ((world.first, before), (world.live, after))
    ]


def moved(world: World) -> list[Switch]:
    return [Switch(NOW, "v2", world.live.pk, world.first.pk, "promote", "gate")]


def test_the_verdict_compares_before_and_after(world: World):
    told = overview.verdict(
        [], live_row(world), moved(world), rates((10_000, 1_000), (10_000, 1_110), world)
    )
    assert told.startswith("Running normally. Since v2 went live, the click rate changed by +1.1")
    assert "before–after" in told


def test_the_difference_joins_both_intervals(world: World):
    before, after = rates((10_000, 1_000), (10_000, 1_110), world)
    gap = overview.difference(after, before)
    assert gap.value == 0.111 - 0.1
    # A plain normal interval: ± 1.96 · sqrt(.1·.9/1e4 + .111·.889/1e4) = ± .0085
    assert abs((gap.high - gap.low) / 2 - 0.0085) < 2e-4
    assert gap.is_clear


def test_too_few_views_are_not_put_into_a_difference(world: World):
    told = overview.verdict([], live_row(world), moved(world), rates((99, 9), (500, 50), world))
    assert "(99 / 100 on the smaller side)" in told


def test_alerts_come_first_in_the_verdict(world: World):
    alerts = [Finding("bad", "x"), Finding("warn", "y"), Finding("info", "z")]
    told = overview.verdict(alerts, None, [], [])
    assert told == "Needs attention, with 2 alerts."


def test_the_first_version_has_nothing_to_compare_with(world: World):
    ModelVersion.objects.filter(pk=world.live.pk).update(state="live")
    told = overview.verdict([], live_row(world), [], [])
    assert told == "Running normally. v2 is live."
