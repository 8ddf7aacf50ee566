"""Generic CSV and JSONL. Columns are named as the fields of the API's bodies.

items: id, title, description, categories, tags, creators, price, sales, language, published_at,
expires_at, image_url, audio_url, picture, sound (paths below the media folder), is_hidden,
attributes. users: id, attributes. events: type, user, item, value, occurred_at, event_id, reason,
session_id. In CSV, lists are separated by `|`, and each
column `attributes.x` is the attribute x.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from django.utils.translation import gettext as _

from recommender.catalog.formats.base import (
    EVENTS,
    ITEMS,
    USERS,
    EventRow,
    Record,
    Row,
    RowError,
    UserRow,
    csv_records,
    locate,
    moment,
    named_cells,
    number,
    seconds,
)
from recommender.catalog.formats.source import Source
from recommender.catalog.rules import canonical
from recommender.catalog.services import ItemInput
from recommender.errors import BadData

REQUIRED: Mapping[str, tuple[str, ...]] = {
    ITEMS: ("id", "title"),
    USERS: ("id",),
    EVENTS: ("type", "user", "occurred_at"),
}
TEXTS = ("title", "description", "language", "image_url", "audio_url", "picture", "sound")
LISTS = ("categories", "tags", "creators")
MOMENTS = ("published_at", "expires_at")
KNOWN: Mapping[str, frozenset[str]] = {
    ITEMS: frozenset({"id", "price", "sales", "is_hidden", "attributes", *TEXTS, *LISTS, *MOMENTS}),
    USERS: frozenset({"id", "attributes"}),
    EVENTS: frozenset(
        {"type", "user", "item", "value", "occurred_at", "event_id", "reason", "session_id"}
    ),
}
_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


class Csv:
    """A CSV file with a header."""

    encoding: str | None = None

    def locate(self, kind: str, path: Path) -> Path:
        """Find the file: the path itself, or `items.csv` and so on in a folder."""
        return locate({name: f"{name}.csv" for name in REQUIRED}, kind, path, "CSV")

    def records(self, kind: str, source: Source) -> Iterator[Record]:
        """Read the records.

        Raises: BadData for a column that this kind of row does not have.
        """
        records = csv_records(source, REQUIRED[kind], f"a CSV file of {kind}")
        for count, record in enumerate(records):
            if count == 0 and isinstance(record.cells, dict):
                _refuse_columns(kind, record.cells, source)
            yield record

    def parse(self, kind: str, record: Record) -> Row:
        """Understand one record."""
        cells = named_cells(record)
        fields: dict[str, Any] = {}
        for name, text in cells.items():
            if name.startswith("attributes."):
                if text:
                    fields.setdefault("attributes", {})[name[11:]] = _guess(text)
            elif name in LISTS:
                fields[name] = [part.strip() for part in text.split("|") if part.strip()]
            elif text:
                fields[name] = _FROM_TEXT.get(name, _same)(name, text)
        return _row(kind, fields)


class Jsonl:
    """A file with one JSON object per line."""

    encoding: str | None = None

    def locate(self, kind: str, path: Path) -> Path:
        """Find the file: the path itself, or `items.jsonl` and so on in a folder."""
        return locate({name: f"{name}.jsonl" for name in REQUIRED}, kind, path, "JSONL")

    def records(self, kind: str, source: Source) -> Iterator[Record]:  # noqa: ARG002 - the protocol has it
        """Read the lines."""
        with source.open() as lines:
            for count, line in enumerate(lines, start=1):
                yield Record(count, line.rstrip("\r\n"))

    def parse(self, kind: str, record: Record) -> Row:
        """Understand one line."""
        try:
            fields = orjson.loads(record.cells)
        except orjson.JSONDecodeError as error:
            raise RowError("line", f"is not JSON: {error}") from None
        if not isinstance(fields, dict):
            raise RowError("line", "is not a JSON object")
        unknown = sorted(set(fields) - KNOWN[kind])
        if unknown:
            raise RowError(unknown[0][:40], f"is unknown; a row of {kind} has no such field")
        return _row(kind, {name: value for name, value in fields.items() if value is not None})


def _row(kind: str, fields: dict[str, Any]) -> Row:
    for name in REQUIRED[kind]:
        if fields.get(name) in (None, ""):
            raise RowError(name, "is missing")
    if kind == EVENTS:
        return _event(fields)
    external_id = _text("id", fields.pop("id"))
    attributes = fields.get("attributes", {})
    if not isinstance(attributes, dict):
        raise RowError("attributes", "is not an object")
    if kind == USERS:
        return UserRow(external_id, attributes)
    return _item(external_id, fields)


def _item(external_id: str, fields: dict[str, Any]) -> ItemInput:
    for name in TEXTS:
        if name in fields and not isinstance(fields[name], str):
            raise RowError(name, "is not a text")
    for name in LISTS:
        if not all(isinstance(part, str) for part in _list(name, fields.get(name, []))):
            raise RowError(name, "is not a list of texts")
    for name in MOMENTS:
        if name in fields and not isinstance(fields[name], datetime):
            fields[name] = moment(name, _text(name, fields[name]))
    for name, kinds in (("price", (int, float)), ("sales", (int,)), ("is_hidden", (bool,))):
        value = fields.get(name)
        is_wrong_bool = isinstance(value, bool) and name != "is_hidden"
        if name in fields and (is_wrong_bool or not isinstance(value, kinds)):
            raise RowError(name, f"is {value!r:.40}; expected {kinds[-1].__name__}")
    return ItemInput(external_id=external_id, **fields)


def _event(fields: dict[str, Any]) -> EventRow:
    value = fields.get("value")
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise RowError("value", f"is {value!r:.40}; expected a number")
    event_id = fields.get("event_id")
    try:
        event_id = UUID(event_id) if event_id else None
    except (ValueError, AttributeError, TypeError):
        raise RowError("event_id", f"is {event_id!r:.60}; expected a UUID") from None
    item = fields.get("item")
    return EventRow(
        type=canonical(_text("type", fields["type"])),
        user=_text("user", fields["user"]),
        item=None if item is None else _text("item", item),
        value=value,
        time_s=seconds("occurred_at", _text("occurred_at", fields["occurred_at"])),
        event_id=event_id,
        reason=_text("reason", fields.get("reason", "")),
        session_id=_text("session_id", fields.get("session_id", "")),
    )


def _text(name: str, value: Any) -> str:
    # Ids are often written as numbers; true, lists and objects are never meant as an id.
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise RowError(name, f"is {value!r:.40}; expected a text")
    return str(value)


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise RowError(name, "is not a list")
    return value


def _refuse_columns(kind: str, cells: Mapping[str, str], source: Source) -> None:
    unknown = [
        name
        for name in cells
        if name not in KNOWN[kind] - {"attributes"} and not name.startswith("attributes.")
    ]
    if unknown:
        raise BadData(
            _(
                "%(file)s has the column %(name)s, which a file of %(kind)s does not have. "
                "Rename it to attributes.%(name)s to keep it, or remove it."
            )
            % {"file": source.path.name, "name": unknown[0], "kind": kind}
        )


def _guess(text: str) -> Any:
    """Read an attribute: a number where it is one, exactly as written otherwise."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number and str(value) == text else text


def _same(_name: str, text: str) -> str:
    return text


def _whole(name: str, text: str) -> int:
    value = number(name, text)
    if not value.is_integer():
        raise RowError(name, f"is {text[:40]!r}; expected a whole number")
    return int(value)


def _truth(name: str, text: str) -> bool:
    if text.lower() not in _TRUTHS:
        raise RowError(name, f"is {text[:40]!r}; expected true or false")
    return _TRUTHS[text.lower()]


_FROM_TEXT: Mapping[str, Callable[[str, str], Any]] = {
    "price": number,
    "value": number,
    "sales": _whole,
    "is_hidden": _truth,
}
