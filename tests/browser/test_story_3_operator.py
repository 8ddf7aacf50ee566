"""Step 3 of the story: what the operator sees and does."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Client, Demo, Enter
from tests.browser.hammer import Hammer
from tests.browser.steps import spent_ms, watch

pytestmark = pytest.mark.story
INTERVAL = re.compile(r"95 ?% interval [+−–]?[\d.]+ to [+−–]?[\d.]+")
TRAINING_LIMIT_S = 360


def loop(api: Client) -> dict[str, Any]:
    body: dict[str, Any] = api("GET", "/api/v1/loop").json
    return body


def wait_until_idle(api: Client) -> None:
    """Wait for the runs that are at work; there may be one at a time."""
    deadline = time.monotonic() + TRAINING_LIMIT_S
    while loop(api)["open_runs"]:
        assert time.monotonic() < deadline, loop(api)
        time.sleep(1)


def start_training(page: Page, model: str) -> str:
    """Press Retrain, choose, press Start; return the run's id."""
    page.goto("/ops/")
    page.get_by_role("link", name="Retrain").first.click()
    page.check(f"input[name=model][value={model}]")
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url(re.compile(r"/ops/jobs/\d+/"))
    return page.url.rstrip("/").split("/")[-1]


def state_text(page: Page) -> str:
    return page.locator("h1 [data-show=state_text]").inner_text()


def draw_all(page: Page) -> int:
    """Scroll to every chart, wait until it is drawn, and count the drawings."""
    charts = page.locator("[data-chart]")
    for place in range(charts.count()):
        charts.nth(place).scroll_into_view_if_needed()
        page.locator("[data-chart]").nth(place).locator("svg.main-svg").first.wait_for()
    page.wait_for_function(
        "() => [...document.querySelectorAll('[data-chart]')].every(one => one.dataset.drawn)"
    )
    return charts.count()


def test_the_overview_says_in_words_and_figures_how_it_goes(enter: Enter, demo: Demo) -> None:
    page = enter("operator")
    seen = watch(page, demo.url)
    page.goto("/ops/")
    verdict = page.inner_text(".verdict")
    print(f"\nverdict: {verdict}")
    assert re.match(r"Running normally|Needs attention", verdict) and verdict.endswith(".")
    assert re.search(r"v\d+ (is|went) live", verdict)
    tiles = page.locator(".tile").all_inner_texts()
    assert len(tiles) >= 5 and any("95 %" in text for text in tiles)
    assert draw_all(page) == 3
    click_rate = page.locator("[data-chart]").first.locator("[data-plot]").text_content() or ""
    assert {"v1", "v2"} <= set(re.findall(r"v\d+", click_rate))  # where models switched
    for chart in page.locator("[aria-labelledby=h-quality] [data-chart]").all():
        chart.locator("summary").click()
        names = chart.locator("tbody th").all_inner_texts()
        assert {"random", "popularity"} <= {name.lower() for name in names}, names
    assert page.locator("table.versions tbody tr").count() >= 2
    assert page.locator("table.versions tr.is-live").count() == 1
    assert page.locator("#h-jobs").is_visible()
    assert (seen.errors, seen.strangers) == ([], [])


def test_the_transformer_of_the_demo_gets_a_verdict_in_words(enter: Enter, api: Client) -> None:
    wait_until_idle(api)
    page = enter("operator")
    page.goto("/ops/jobs/")
    line = page.locator("tbody tr", has_text="Hybrid").filter(has_text="the demo").last
    line.get_by_role("link", name=re.compile("Run")).first.click()
    page.wait_for_url(re.compile(r"/ops/jobs/\d+/"))
    verdict = page.locator(".gate b").inner_text()
    print(f"\nthe demo's hybrid, {state_text(page)}: {verdict}")
    assert INTERVAL.search(verdict), verdict
    assert page.locator(".checks li").count() >= 4
    run = api("GET", f"/api/v1/training-runs/{page.url.rstrip('/').split('/')[-1]}").json
    assert run["state"] == ("ready" if "went live" in verdict else "rejected")
    assert draw_all(page) == 2


def test_retraining_is_live_and_ends_with_a_verdict(enter: Enter, api: Client) -> None:
    wait_until_idle(api)
    page = enter("operator")
    run = start_training(page, "item_knn")
    page.evaluate("window.isSamePage = true")
    states = [state_text(page)]
    deadline = time.monotonic() + 60
    while len(states) < 2 and time.monotonic() < deadline:
        page.wait_for_timeout(50)
        if not page.evaluate("window.isSamePage === true"):
            break
        states += [text for text in [state_text(page)] if text != states[-1]]
    print(f"\nrun {run} showed live: {' → '.join(states)}")
    assert len(states) >= 2
    page.reload()
    assert page.inner_text("h1").startswith(f"Run {run}")
    page.locator(".gate").wait_for(timeout=90_000)
    assert INTERVAL.search(page.inner_text(".gate"))
    assert state_text(page) in ("ready", "not promoted")
    print(f"its verdict: {page.inner_text('.gate b')}")


def test_a_training_stops_within_five_seconds(enter: Enter, api: Client) -> None:
    wait_until_idle(api)
    page = enter("operator")
    run = start_training(page, "hybrid")
    page.wait_for_function(
        "() => /Epoch [1-9]/.test(document.querySelector('[data-show=epoch_text]').textContent)",
        timeout=120_000,
    )
    started = time.monotonic()
    page.get_by_role("button", name="Stop").click()
    while api("GET", f"/api/v1/training-runs/{run}").json["state"] != "cancelled":
        assert spent_ms(started) < 10_000
        time.sleep(0.1)
    spent = spent_ms(started)
    page.locator("h1 .badge", has_text="stopped").wait_for()
    print(f"\nstopped {spent:.0f} ms after the click")
    assert spent <= 5000


def test_versions_switch_in_one_click_and_no_request_fails(enter: Enter, api: Client) -> None:
    wait_until_idle(api)
    live = loop(api)["live_version"]
    page, site = enter("operator"), enter("visitor")
    page.goto("/ops/models/")
    button = page.get_by_role("button", name=re.compile(r"Promote v\d+")).first
    other = button.inner_text().split()[-1]
    with Hammer(api) as hammer:
        hammer.wait_for(live)
        time.sleep(1)
        promoted_at = time.monotonic()
        button.click()
        hammer.wait_for(other)
        site.goto("/")
        assert named_versions(site) == {other}
        assert f"{other} is live now." in page.inner_text("#status")
        time.sleep(1)
        page.goto("/ops/models/")
        rolled_back_at = time.monotonic()
        page.get_by_role("button", name="Roll back").click()
        hammer.wait_for(live)
        site.goto("/")
        assert named_versions(site) == {live}
        time.sleep(2)
    there = hammer.seconds_until(other, promoted_at)
    back = hammer.seconds_until(live, rolled_back_at)
    check(hammer, [live, other, live])
    print(f"\n{live} → {other} after {there:.2f} s, back after {back:.2f} s")
    assert there <= 5 and back <= 5


def named_versions(page: Page) -> set[str]:
    """Return every version that home's rows name; popular and new rows name none."""
    texts = page.locator("#rows .source").all_inner_texts()
    return {match for text in texts for match in re.findall(r"v\d+", text)}


def check(hammer: Hammer, turns: list[str]) -> None:
    """Hold the answers against: none failed, none mixed, one switch each way, quick enough."""
    answers = hammer.answers
    assert [one for one in answers if one.status != 200] == []
    seen = [one.version for one in answers]
    assert [v for at, v in enumerate(seen) if at == 0 or v != seen[at - 1]] == turns
    assert len({(one.version, one.strategy) for one in answers}) == len(set(turns))
    slates = {one.slate: one.version for one in answers[:: max(1, len(answers) // 20)]}
    logged = {slate: hammer.api("GET", f"/api/v1/slates/{slate}").json for slate in slates}
    assert {slate: row["model_version"] for slate, row in logged.items()} == slates
    rate = len(answers) / (answers[-1].at - answers[0].sent_at)
    print(f"\n{len(answers)} requests at {rate:.1f}/s, 0 failed")
    assert rate >= 5
