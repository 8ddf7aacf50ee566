"""What the story needs: a started demo (`make demo-check` starts one) and a real Chromium."""

from __future__ import annotations

import json
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class Demo:
    url: str
    accounts: dict[str, str]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
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
                return Answer(answer.status, dict(answer.headers), answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read().decode())


@pytest.fixture(scope="session")
def api(demo: Demo) -> Client:
    return Client(demo)
