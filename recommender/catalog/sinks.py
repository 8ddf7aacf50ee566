"""Where imported rows go: one sink per kind of row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.utils.module_loading import import_string

from recommender.catalog.formats.base import Record, RowError
from recommender.catalog.models import Catalog
from recommender.catalog.services import BadItem, ItemInput, check_item, put_items

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Reject:
    """One refused record, as the rejects file shows it."""

    line: int
    field: str
    reason: str
    raw: str


@dataclass
class Outcome:
    """What became of one batch of records."""

    accepted: int = 0
    duplicates: int = 0
    rejects: list[Reject] = field(default_factory=list)

    def refuse(self, record: Record, error: RowError) -> None:
        """Note one refused record."""
        self.rejects.append(Reject(record.line, error.field, error.reason, record.raw))


class Sink(Protocol):
    """Writes rows of one kind."""

    batch: int  # records per transaction

    def write(self, rows: Sequence[tuple[Record, Any]], outcome: Outcome) -> None:
        """Write rows inside the importer's transaction and count them."""

    def finish(self, progress: Progress) -> None:
        """Do what needs all rows; may run again after a kill."""


# Users and events belong to `collect`, which stands above this room. As with a setting that names
# a class, the arrow up is a string; `Sink` is all that this room knows of them.
SINKS: Mapping[str, str] = {
    "items": "recommender.catalog.sinks.ItemSink",
    "users": "recommender.collect.sinks.UserSink",
    "events": "recommender.collect.sinks.EventSink",
}


def make_sink(kind: str, catalog: Catalog) -> Sink:
    """Return a new sink for one import."""
    sink: Sink = import_string(SINKS[kind])(catalog)
    return sink


class ItemSink:
    """Writes items."""

    batch = 500

    def __init__(self, catalog: Catalog) -> None:
        """Write into this catalog."""
        self.catalog = catalog

    def write(self, rows: Sequence[tuple[Record, ItemInput]], outcome: Outcome) -> None:
        """Put the items; those that cannot be stored are refused."""
        good = []
        for record, item in rows:
            try:
                check_item(item)
            except BadItem as error:
                outcome.refuse(record, RowError(error.field, str(error)))
            else:
                good.append(item)
        put_items(catalog=self.catalog, items=good)
        outcome.accepted += len(good)

    def finish(self, progress: Progress) -> None:
        """Do nothing: items are complete as they are."""
