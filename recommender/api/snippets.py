"""The code on the documentation page. The tests run every line of it against the application."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Snippet:
    """One request, told once; its curl, Python and JavaScript are written from it."""

    name: str
    title: str | Promise
    text: str | Promise
    method: str
    path: str
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Rendered:
    """A snippet in three languages, with the reader's key and address filled in."""

    snippet: Snippet
    curl: str
    python: str
    javascript: str

    @property
    def body_text(self) -> str:
        """Return the body as it is sent; empty without one."""
        return "" if self.snippet.body is None else json.dumps(self.snippet.body)


# In order: each may use what the ones before it made. TOKEN stands for a token of the list.
SNIPPETS: tuple[Snippet, ...] = (
    Snippet(
        "put-item",
        _("1. Put an item"),
        _("Send the whole item; a second PUT replaces it. 201 when it is new, 200 afterwards."),
        "PUT",
        "/api/v1/items/demo-1",
        {"title": "A quiet place by the sea", "categories": ["Drama"], "creators": ["A. Director"]},
    ),
    Snippet(
        "send-events",
        _("2. Say what people did"),
        _(
            "Users are created on first mention. Give each event your own UUID: then a repeat of "
            "the request is harmless."
        ),
        "POST",
        "/api/v1/events",
        {
            "events": [
                {
                    "event_id": "5f8e0a52-3c1b-4a57-9a44-0d6c2a8f1e01",
                    "type": "rating",
                    "user": "u1",
                    "item": "demo-1",
                    "value": 4.5,
                }
            ]
        },
    ),
    Snippet(
        "get-list",
        _("3. Get a list"),
        _(
            "Each item comes with score, position, propensity, reasons and a token. Show the items "
            "in this order."
        ),
        "GET",
        "/api/v1/recommendations?user=u1&limit=5",
    ),
    Snippet(
        "send-token",
        _("4. Send the tokens back"),
        _(
            "A token knows user, item, position and model. Send an impression when an item was at "
            "least half visible for a second, and a click when it was opened."
        ),
        "POST",
        "/api/v1/events",
        {
            "events": [
                {"type": "impression", "token": "TOKEN"},
                {"type": "click", "token": "TOKEN"},
            ]
        },
    ),
    Snippet(
        "rank",
        _("Order your own candidates"),
        _("You choose the items, RecLoop chooses the order."),
        "POST",
        "/api/v1/rank",
        {"user": "u1", "items": ["demo-1"], "explain": True},
    ),
    Snippet(
        "similar",
        _("Show more like this"),
        _("The same answer as any list, with tokens of its own."),
        "GET",
        "/api/v1/items/demo-1/similar?limit=5",
    ),
    Snippet(
        "search",
        _("Search"),
        _("Titles and creators; typos are tolerated."),
        "GET",
        "/api/v1/search?q=quiet&user=u1",
    ),
    Snippet(
        "metrics",
        _("Read click-through rates"),
        _("By day, version or position, each with its interval (95 %)."),
        "GET",
        "/api/v1/metrics?by=version",
    ),
    Snippet(
        "loop",
        _("Ask how the loop is doing"),
        _("Which version is live, whether a run is open, and what the gate decided last."),
        "GET",
        "/api/v1/loop",
    ),
)


def render(snippet: Snippet, base: str, key: str) -> Rendered:
    """Write one snippet in all three languages."""
    return Rendered(
        snippet,
        curl(snippet, base, key),
        python(snippet, base, key),
        javascript(snippet, base, key),
    )


def curl(snippet: Snippet, base: str, key: str) -> str:
    """Write a curl command."""
    lines = [f"curl '{base}{snippet.path}'", f"-H 'Authorization: Bearer {key}'"]
    if snippet.method != "GET":
        lines.insert(1, f"-X {snippet.method}")
    if snippet.body is not None:
        lines.append("-H 'Content-Type: application/json'")
        lines.append(f"-d '{json.dumps(snippet.body, indent=2)}'")
    return " \\\n  ".join(lines)


def python(snippet: Snippet, base: str, key: str) -> str:
    """Write Python that needs the standard library only."""
    options = [f'    "{base}{snippet.path}",', f'    method="{snippet.method}",']
    headers = f'"Authorization": "Bearer {key}"'
    if snippet.body is not None:
        options.append("    data=json.dumps(body).encode(),")
        headers += ', "Content-Type": "application/json"'
    options.append(f"    headers={{{headers}}},")
    body = [] if snippet.body is None else [f"body = {_python(snippet.body)}"]
    return "\n".join(
        [
            "import json",
            "from urllib.request import Request, urlopen",
            "",
            *body,
            "request = Request(",
            *options,
            ")",
            "with urlopen(request) as response:",
            "    answer = json.load(response)",
            "print(answer)",
        ]
    )


def javascript(snippet: Snippet, base: str, key: str) -> str:
    """Write JavaScript for a server or a module script."""
    headers = {"Authorization": f"Bearer {key}"}
    if snippet.body is not None:
        headers["Content-Type"] = "application/json"
    lines = [
        f'const response = await fetch("{base}{snippet.path}", {{',
        f'  method: "{snippet.method}",',
        f"  headers: {json.dumps(headers)},",
    ]
    if snippet.body is not None:
        lines.append(f"  body: JSON.stringify({json.dumps(snippet.body, indent=2)}),")
    return "\n".join(
        [*lines, "});", "const answer = await response.json();", "console.log(answer);"]
    )


def _python(value: Any) -> str:
    text = json.dumps(value, indent=4)
    for ours, theirs in {"true": "True", "false": "False", "null": "None"}.items():
        text = text.replace(f": {ours}", f": {theirs}")
    return text
