"""What a file format gives the importer: where its file is, its records, and what each one says."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from django.utils.translation import gettext as _

from recommender.catalog.formats.source import Source
from recommender.catalog.services import ItemInput
from recommender.errors import BadData

ITEMS, USERS, EVENTS = "items", "users", "events"


@dataclass(frozen=True)
class UserRow:
    """A user as a file describes it."""

    external_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as a file describes it; `time_s` is seconds since 1970."""

    type: str
    user: str
    item: str | None
    value: float | None
    time_s: float
    event_id: UUID | None = None
    reason: str = ""
    session_id: str = ""


Row = ItemInput | UserRow | EventRow


class RowError(ValueError):
    """Why one record is refused."""

    def __init__(self, field: str, reason: str) -> None:
        """Keep both for the rejects file."""
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file: the line that it ends on and its cells, not yet understood."""

    line: int
    cells: Any

    @property
    def raw(self) -> str:
        """Show the record in the rejects file."""
        if isinstance(self.cells, Mapping):
            return "|".join(f"{name}={value}" for name, value in self.cells.items())
        return self.cells if isinstance(self.cells, str) else "|".join(map(str, self.cells))


class Format(Protocol):
    """A file format."""

    encoding: str | None  # used where the file is not UTF-8; None means UTF-8 or nothing

    def locate(self, kind: str, path: Path) -> Path:
        """Find the file with this kind of row; `path` is the file itself or its folder.

        Raises: BadData when the format has no such rows or the file is missing.
        """

    def records(self, kind: str, source: Source) -> Iterator[Record]:
        """Read the records in order, in constant memory.

        Raises: BadData at once when the head of the file is not this format's.
        """

    def parse(self, kind: str, record: Record) -> Row:
        """Understand one record.

        Raises: RowError naming the field.
        """


def locate(names: Mapping[str, str], kind: str, path: Path, label: str) -> Path:
    """Find a format's file in a folder, or take the file itself."""
    if kind not in names:
        raise BadData(
            _("%(format)s has no file of %(kind)s; it has %(known)s.")
            % {"format": label, "kind": kind, "known": ", ".join(names)}
        )
    found = path / names[kind] if path.is_dir() else path
    if not found.is_file():
        raise BadData(
            _("There is no file %(path)s; %(format)s keeps its %(kind)s in %(name)s.")
            % {"path": found, "format": label, "kind": kind, "name": names[kind]}
        )
    return found


def split_records(source: Source, delimiter: str, width: int) -> Iterator[Record]:
    """Read delimited lines without a header.

    Lines with another number of cells stay one string, so that `cells_of` refuses them.
    """
    with source.open() as lines:
        for number, line in enumerate(lines, start=1):
            text = line.rstrip("\r\n")
            cells = text.split(delimiter)
            yield Record(number, cells if len(cells) == width else text)


def cells_of(record: Record, width: int) -> list[str]:
    """Return the cells of a delimited record that has the right number of them."""
    if isinstance(record.cells, str):
        raise RowError("line", f"does not have {width} columns")
    cells: list[str] = record.cells
    return cells


def csv_records(source: Source, required: Sequence[str], label: str) -> Iterator[Record]:
    """Read CSV records with a header as dictionaries.

    Raises: BadData when a required column is missing from the header.
    """
    with source.open(newline="") as lines:
        reader = csv.reader(lines)
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in required if name not in header]
        if missing:
            raise BadData(
                _("%(file)s is not %(format)s: its columns are %(found)s; %(missing)s is missing.")
                % {
                    "file": source.path.name,
                    "format": label,
                    "found": ", ".join(header)[:200],
                    "missing": ", ".join(missing),
                }
            )
        yield from _rows_below(reader, header)


def _rows_below(reader: Any, header: Sequence[str]) -> Iterator[Record]:
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Record(reader.line_num, f"unreadable: {error}")
            continue
        if cells is None:
            return
        if not cells:
            yield Record(reader.line_num, "")
        elif len(cells) != len(header):
            yield Record(reader.line_num, ",".join(cells))
        else:
            yield Record(reader.line_num, dict(zip(header, cells, strict=True)))


def named_cells(record: Record) -> dict[str, str]:
    """Return the cells of a CSV record that has as many as the header."""
    if isinstance(record.cells, str):
        raise RowError("line", "does not have as many cells as the header")
    cells: dict[str, str] = record.cells
    return cells


def number(field: str, text: str) -> float:
    """Read a number.

    >>> number("value", "4.5")
    4.5
    """
    try:
        return float(text)
    except ValueError:
        raise RowError(field, f"is {text[:40]!r}; expected a number") from None


def seconds(field: str, text: str) -> float:
    """Read a time: RFC 3339 with a zone, or seconds since 1970.

    >>> seconds("occurred_at", "1970-01-01T00:01:00Z")
    60.0
    """
    text = text.strip()
    try:
        value = float(text)
    except ValueError:
        return moment(field, text).timestamp()
    # Year 1 to 9999: anything else no database stores.
    if not -6e10 < value < 2.5e11:
        raise RowError(field, f"is {text[:40]!r}; expected seconds since 1970")
    return value


def moment(field: str, text: str) -> datetime:
    """Read an RFC 3339 time, with its zone."""
    try:
        value = datetime.fromisoformat(text.strip())
    except ValueError:
        raise RowError(
            field, f"is {text[:40]!r}; expected a time such as 2026-11-24T08:00:00Z"
        ) from None
    if value.tzinfo is None:
        raise RowError(field, f"is {text[:40]!r}, without a time zone; end it with Z")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise RowError(field, f"is {text[:40]!r}, out of range") from None
