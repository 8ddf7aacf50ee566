"""The measurable bars on every page: accessible, reflowing, light, alone and without errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Response

from tests.browser.conftest import Demo, Enter
from tests.browser.steps import Watch, dismiss, rate, watch

pytestmark = pytest.mark.story
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDE: dict[str, Any] = {"locale": "en-US", "viewport": {"width": 1280, "height": 800}}
NARROW: dict[str, Any] = {
    "locale": "zh-CN",
    "color_scheme": "dark",
    "viewport": {"width": 320, "height": 640},
}
SETTINGS = {"en-light-1280": WIDE, "zh-dark-320": NARROW}
KILO = 1000
# Who looks, and at what; an address in braces is found on another page first.
PAGES: dict[str, tuple[str | None, str]] = {
    "home": ("visitor", "/"),
    "home of a newcomer": (None, "/"),
    "item": ("visitor", "{item}"),
    "why": ("visitor", "{why}"),
    "search": ("visitor", "/search/?q=love"),
    "search without a hit": ("visitor", "/search/?q=qqxzzy"),
    "browse": ("visitor", "/browse/"),
    "category": ("visitor", "/browse/Comedy/"),
    "more": ("visitor", "/more/for_you/"),
    "history": ("visitor", "/history/"),
    "empty history": (None, "/history/"),
    "hidden": ("newcomer", "/hidden/"),
    "nothing hidden": (None, "/hidden/"),
    "privacy": ("visitor", "/preferences/privacy/"),
    "about": ("visitor", "/about/ranking/"),
    "welcome": (None, "/welcome/"),
    "login": (None, "/accounts/login/"),
    "signup": (None, "/accounts/signup/"),
    "no such page": (None, "/no/such/page/"),
    "overview": ("operator", "/ops/"),
    "models": ("operator", "/ops/models/"),
    "version": ("operator", "{version}"),
    "compare": ("operator", "/ops/models/compare/?a=v1&b=v2"),
    "jobs": ("operator", "/ops/jobs/"),
    "run": ("operator", "{run}"),
    "retrain": ("operator", "/ops/jobs/new/"),
    "pipeline": ("operator", "/ops/pipeline/"),
    "inspect": ("operator", "/ops/inspect/?user=1&item=50&a=v1&b=v2"),
    "data": ("operator", "/ops/data/"),
    "events": ("operator", "/ops/data/events/"),
    "decisions": ("operator", "/ops/audit/"),
    "keys": ("operator", "/ops/keys/"),
    "api docs": (None, "/api/docs/"),
}
FOUND_ON = {  # name in braces: the page and the link on it
    "{item}": ("/", ".card h3 a"),
    "{why}": ("/", ".card .why a"),
    "{version}": ("/ops/models/", "tr.is-live th a"),
    "{run}": ("/ops/jobs/", "tbody th a"),
}
SMALL_TARGETS = """() => {
    const named = (one) => `${one.tagName} ${one.className} ${one.textContent.trim().slice(0, 30)}`;
    const inText = (one) => one.matches("p a, dd a, li a") &&
        getComputedStyle(one).display === "inline" &&
        one.parentElement.textContent.trim().length > one.textContent.trim().length + 3;
    return [...document.querySelectorAll("a[href], button, input, summary, select, textarea")]
        .filter(one => one.type !== "hidden" && one.checkVisibility() && one.tabIndex >= 0)
        .filter(one => !one.matches(".skip-link") && !inText(one))
        .map(one => [one, (one.type === "radio" || one.type === "checkbox") && one.closest("label")
            || one])
        .map(([one, area]) => [one, area.getBoundingClientRect()])
        .filter(([one, box]) => box.width && (box.width < 23.9 || box.height < 23.9))
        .map(([one, box]) => `${named(one)} ${box.width.toFixed(1)}×${box.height.toFixed(1)}`);
}"""
READY = """() => {
    const charts = [...document.querySelectorAll("[data-chart]")];
    const near = charts.filter(one => one.getBoundingClientRect().top < innerHeight);
    return near.every(one => one.dataset.drawn);
}"""


class Tour:
    """One browser per setting and account, taken from page to page."""

    def __init__(self, enter: Enter) -> None:
        self.enter = enter
        self.open: dict[tuple[str, str | None], tuple[Page, Watch]] = {}
        self.addresses: dict[str, str] = {}
        self.axe = Axe()

    def visit(self, setting: str, name: str) -> tuple[Page, Watch, Response]:
        who, address = PAGES[name]
        if (setting, who) not in self.open:
            made = self.enter(who, **SETTINGS[setting])
            self.open[setting, who] = made, watch(made, self.enter.demo.url)
        page, seen = self.open[setting, who]
        if address in FOUND_ON and address not in self.addresses:
            place, link = FOUND_ON[address]
            page.goto(place)
            self.addresses[address] = page.locator(link).first.get_attribute("href") or ""
        seen.errors.clear()
        answer = page.goto(self.addresses.get(address, address))
        assert answer
        page.wait_for_function(READY)
        return page, seen, answer

    def violations(self, page: Page) -> list[str]:
        options = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
        found = self.axe.run(page, options=options).response["violations"]
        return [f"{one['id']}: {[node['html'][:200] for node in one['nodes']]}" for one in found]


@pytest.fixture(scope="module")
def tour(browser: Browser, demo: Demo) -> Iterator[Tour]:
    enter = Enter(browser, demo)
    page = enter("newcomer")
    page.goto("/")
    dismiss(page, page.locator(".card").first)  # so that the page of hidden items has one
    yield Tour(enter)
    enter.close()


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_keeps_to_the_bars(tour: Tour, setting: str, name: str) -> None:
    page, seen, answer = tour.visit(setting, name)
    is_missing = name == "no such page"
    assert answer.status == (404 if is_missing else 200)
    policy = answer.headers.get("content-security-policy", "")
    assert "script-src 'self'" in policy and "'unsafe-eval'" not in policy, policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    is_chinese = setting.startswith("zh")
    assert page.get_attribute("html", "lang") == ("zh-Hans" if is_chinese else "en")
    page.evaluate(
        "() => [...document.querySelectorAll('details')].slice(0, 3).forEach(d => d.open = true)"
    )
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(SMALL_TARGETS) == []
    assert tour.violations(page) == []
    errors = [text for text in seen.errors if not (is_missing and "404" in text)]
    assert (errors, seen.strangers) == ([], [])


def test_what_acts_leave_behind_keeps_to_the_bars(tour: Tour) -> None:
    page, seen, _answer = tour.visit("zh-dark-320", "home of a newcomer")
    cards = page.locator(".card")
    dismiss(page, cards.nth(2))
    rate(page, cards.nth(0), 3)
    page.wait_for_function("() => !document.querySelector('[aria-busy]')")
    cards.nth(1).locator("summary").click()
    assert page.locator("#status .message").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(SMALL_TARGETS) == []
    assert tour.violations(page) == []
    assert seen.errors == []


def test_the_checks_see_what_is_wrong(tour: Tour) -> None:
    page, seen, _answer = tour.visit("en-light-1280", "browse")
    page.evaluate(
        """() => {
            const button = document.createElement("button");
            Object.assign(button.style, {width: "9px", height: "9px", minHeight: 0, padding: 0});
            const wide = document.createElement("p");
            wide.style.width = "3000px";
            wide.textContent = "wide";
            document.querySelector("main").append(button, wide);
            const script = document.createElement("script");
            script.textContent = "1";
            document.head.append(script);
        }"""
    )
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") > 0
    assert len(page.evaluate(SMALL_TARGETS)) == 1
    assert [one for one in tour.violations(page) if one.startswith("button-name")]
    assert any("Content Security Policy" in text for text in seen.errors)


@pytest.mark.parametrize("name", ["home", "item", "category", "search", "welcome", "history"])
def test_a_visitor_page_is_light(enter: Enter, tour: Tour, name: str) -> None:
    who, address = PAGES[name]
    page = enter(who)
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(tour.addresses.get(address, address), wait_until="networkidle")
    weight = {"document": 0, "stylesheet": 0, "script": 0, "font": 0}
    for answer in answers:
        if answer.request.resource_type in weight:
            weight[answer.request.resource_type] += answer.request.sizes()["responseBodySize"]
    print(
        f"\n{name}: " + ", ".join(f"{kind} {size / KILO:.1f} kB" for kind, size in weight.items())
    )
    assert weight["document"] <= 30 * KILO
    assert weight["stylesheet"] <= 12 * KILO
    assert weight["script"] <= 20 * KILO
    assert weight["font"] == 0


def test_chinese_pages_say_nothing_in_english(tour: Tour) -> None:
    page, _seen, _answer = tour.visit("zh-dark-320", "about")
    words = set(re.findall(r"[A-Za-z]{4,}", page.inner_text("main")))
    assert words <= {"RecLoop", "NDCG"}, words
