"""What a visitor's hand and eye do, in a line each."""

from __future__ import annotations

import time
from dataclasses import dataclass

from playwright.sync_api import Locator, Page

PERSONAL = ("for_you", "because", "exploring")


@dataclass(frozen=True)
class Row:
    kind: str
    title: str
    items: tuple[str, ...]


@dataclass
class Watch:
    """What went wrong in a page without anybody seeing it."""

    errors: list[str]
    strangers: list[str]


def watch(page: Page, url: str) -> Watch:
    found = Watch([], [])
    page.on(
        "console",
        lambda message: (
            found.errors.append(f"{page.url}: {message.text}") if message.type == "error" else None
        ),
    )
    page.on("pageerror", lambda error: found.errors.append(f"{page.url}: {error}"))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith((url, "data:")) else found.strangers.append(request.url)
        ),
    )
    return found


def rows(page: Page) -> list[Row]:
    """Read home's rows as they stand."""
    found = page.evaluate(
        """() => [...document.querySelectorAll("#rows .row")].map(row => [
            row.dataset.row,
            row.querySelector("h2").textContent.trim(),
            [...row.querySelectorAll(".card")].map(card => card.dataset.item),
        ])"""
    )
    return [Row(kind, title, tuple(items)) for kind, title, items in found]


def shown(page: Page) -> list[str]:
    return [item for row in rows(page) for item in row.items]


def card(page: Page, item: str) -> Locator:
    return page.locator(f'.card[data-item="{item}"]')


def star(place: Locator, stars: int) -> Locator:
    return place.locator(".star").nth(stars - 1)


def rate(page: Page, place: Locator, stars: int) -> None:
    """Press a star and wait for the answer."""
    with page.expect_response(lambda answer: answer.url.endswith("/rate/")) as waited:
        star(place, stars).click()
    assert waited.value.status == 200


def dismiss(page: Page, place: Locator) -> None:
    """Press "not interested" and wait for the answer."""
    with page.expect_response(lambda answer: answer.url.endswith("/dismiss/")) as waited:
        place.locator("form[data-enhance=dismiss] button").first.click()
    assert waited.value.status == 200
    page.locator(".card-hidden").first.wait_for()


def ratings(page: Page) -> dict[str, float]:
    """Read every page of the history: title → stars."""
    page.goto("/history/")
    found: dict[str, float] = {}
    while True:
        lines = page.evaluate(
            """() => [...document.querySelectorAll("li[data-type=rating]")].map(line => [
                line.querySelector("a").textContent, parseFloat(line.children[1].textContent)])"""
        )
        found = dict(lines) | found
        following = page.locator("nav.pager a[rel=next]")
        if not following.count():
            return found
        following.click()


def forget(page: Page) -> None:
    """Delete the whole history, entry by entry, as its owner can."""
    page.goto("/history/")
    while page.locator("li[data-type]").count():
        entry = page.locator("li[data-type]").first
        event = entry.get_attribute("id")
        entry.get_by_role("button").click()
        page.locator(f"#{event}").wait_for(state="detached")
        if not page.locator("li[data-type]").count():
            page.goto("/history/")


def spent_ms(started: float) -> float:
    return (time.monotonic() - started) * 1000
