"""What the story needs: a started demo (`make demo-check` starts one) and a real Chromium."""

from __future__ import annotations

import base64
import json
import os
import shutil
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from typing import Any, ClassVar

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tell the story in its order, wherever other tests are shuffled."""
    places = [place for place, item in enumerate(items) if item.get_closest_marker("story")]
    ordered = sorted((items[place] for place in places), key=lambda item: item.reportinfo()[:2])
    for place, item in zip(places, ordered, strict=True):
        items[place] = item


@dataclass(frozen=True)
class Demo:
    url: str
    accounts: dict[str, str]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message  # names in any case
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@pytest.fixture(scope="session")
def demo() -> Demo:
    url, path = os.environ.get("RECLOOP_URL"), os.environ.get("RECLOOP_ACCOUNTS")
    assert url and path, "start these tests with `make demo-check`"
    with open(path) as file:
        return Demo(url, json.load(file))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "no chromium: apt-get install chromium fonts-noto-cjk"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield started
        started.close()


@pytest.fixture
def context(browser: Browser, demo: Demo) -> Iterator[BrowserContext]:
    made = browser.new_context(
        base_url=demo.url, viewport={"width": 1280, "height": 800}, locale="en-US"
    )
    yield made
    made.close()


def signed_in(context: BrowserContext, demo: Demo, who: str) -> Page:
    page = context.new_page()
    page.goto("/accounts/login/")
    page.fill("input[name=username]", demo.accounts[who])
    page.fill("input[name=password]", demo.accounts[f"{who}_password"])
    page.locator("main button[type=submit]").first.click()
    page.wait_for_load_state()
    assert "/accounts/login" not in page.url, page.inner_text("main")
    return page


class Enter:
    """Open a page of a browser in which the account is logged in; nobody for None."""

    states: ClassVar[dict[str, Any]] = {}  # one log-in per account: tries per minute are limited

    def __init__(self, browser: Browser, demo: Demo) -> None:
        self.browser = browser
        self.demo = demo
        self.made: list[BrowserContext] = []

    def __call__(self, who: str | None, **options: Any) -> Page:
        if who and who not in self.states:
            first = self.browser.new_context(base_url=self.demo.url, locale="en-US")
            self.states[who] = signed_in(first, self.demo, who).context.storage_state()
            first.close()
        given = {"viewport": {"width": 1280, "height": 800}, "locale": "en-US"} | options
        state = self.states[who] if who else None
        context = self.browser.new_context(base_url=self.demo.url, storage_state=state, **given)
        context.set_default_timeout(15_000)
        self.made.append(context)
        return context.new_page()

    def close(self) -> None:
        for context in self.made:
            context.close()


@pytest.fixture
def enter(browser: Browser, demo: Demo) -> Iterator[Enter]:
    made = Enter(browser, demo)
    yield made
    made.close()


class Client:
    """A program with a key: what curl does, in a line."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        request = urllib.request.Request(
            self.demo.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.demo.accounts['api_key']}",
                "Content-Type": "application/json",
                **headers,
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read().decode())

    def totals(self) -> tuple[int, int]:
        """Return all views and clicks so far."""
        series = self("GET", "/api/v1/metrics?by=version").json["series"]
        return sum(row["views"] for row in series), sum(row["clicks"] for row in series)

    def user_of(self, token: str) -> str:
        """Return the outside id of the person to whom a card was shown."""
        slate = uuid.UUID(bytes=base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[:16])
        return str(self("GET", f"/api/v1/slates/{slate}").json["user"])


@pytest.fixture(scope="session")
def api(demo: Demo) -> Client:
    return Client(demo)
