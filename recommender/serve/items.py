"""The in-process item table: what may be shown, and what it is called; reloads what changed."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.models import Catalog, Item

FIELDS = (
    "pk",
    "external_id",
    "title",
    "categories",
    "tags",
    "creators",
    "price",
    "language",
    "published_at",
    "created_at",
    "expires_at",
    "attributes",
    "is_hidden",
)


@dataclass(frozen=True)
class ItemRecord:
    """What serving needs to know of one item."""

    pk: int
    external_id: str
    title: str
    categories: tuple[str, ...]
    tags: tuple[str, ...]
    creators: tuple[str, ...]
    price: float | None
    language: str
    published_s: float  # seconds since 1970: published, else created
    expires_s: float  # +inf = never
    attributes: Mapping[str, Any]
    is_hidden: bool


@dataclass(frozen=True)
class ItemTable:
    """All items of a catalog in the order of their keys; a `row` is a place in that order."""

    seq: int
    records: tuple[ItemRecord, ...]
    ids: NDArray[np.int64] = field(repr=False)  # (n,) rising
    is_visible: NDArray[np.bool_] = field(repr=False)  # (n,)
    expires_s: NDArray[np.float64] = field(repr=False)  # (n,)
    published_s: NDArray[np.float64] = field(repr=False)  # (n,)

    def __len__(self) -> int:
        """Count the items, hidden ones included."""
        return len(self.records)

    def allowed(self, at_s: float) -> NDArray[np.bool_]:
        """Return (n,) whether each item may be shown at that second."""
        return self.is_visible & (self.expires_s > at_s)

    def rows(self, ids: NDArray[Any]) -> NDArray[np.int64]:
        """Return the row of each key, −1 where the table lacks it."""
        if not len(self.ids):
            return np.full(len(ids), -1, np.int64)
        where = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[where] == ids, where, -1).astype(np.int64)

    def by_id(self, pk: int) -> ItemRecord | None:
        """Return one item by key."""
        return self._record_by_id.get(pk)

    @cached_property
    def _record_by_id(self) -> Mapping[int, ItemRecord]:
        return {record.pk: record for record in self.records}

    @cached_property
    def newest(self) -> NDArray[np.int64]:
        """Return all rows, newest published first."""
        return np.asarray(np.argsort(-self.published_s, kind="stable"), np.int64)

    @cached_property
    def row_by_external_id(self) -> Mapping[str, int]:
        """Map outside ids to rows."""
        return {record.external_id: row for row, record in enumerate(self.records)}


_tables: dict[tuple[int, str], ItemTable] = {}
_lock = threading.Lock()


def table_for(catalog: Catalog, seq: int) -> ItemTable:
    """Return the table as of sequence number `seq` or later; one query when it grew, else none."""
    key = (catalog.pk, catalog.slug)
    table = _tables.get(key)
    if table is not None and table.seq >= seq:
        return table
    with _lock:
        table = _tables.get(key)
        if table is None or table.seq < seq:
            table = _tables[key] = _reload(catalog, table, seq)
        return table


def last_table(catalog: Catalog) -> ItemTable | None:
    """Return what this process loaded last, for when the database is out of reach."""
    return _tables.get((catalog.pk, catalog.slug))


def forget() -> None:
    """Drop every table of this process."""
    _tables.clear()


def _reload(catalog: Catalog, old: ItemTable | None, seq: int) -> ItemTable:
    changed = Item.objects.filter(catalog=catalog)
    if old is not None:
        changed = changed.newer_than(old.seq)
    known = {record.pk: record for record in old.records} if old else {}
    for values in changed.values_list(*FIELDS).iterator(chunk_size=2000):
        fields = dict(zip(FIELDS, values, strict=True))
        known[fields["pk"]] = _record(fields)
    return build(seq, known)


def build(seq: int, known: Mapping[int, ItemRecord]) -> ItemTable:
    """Lay out records as a table."""
    records = tuple(known[pk] for pk in sorted(known))
    return ItemTable(
        seq=seq,
        records=records,
        ids=np.array([record.pk for record in records], np.int64),
        is_visible=np.array([not record.is_hidden for record in records], np.bool_),
        expires_s=np.array([record.expires_s for record in records], np.float64),
        published_s=np.array([record.published_s for record in records], np.float64),
    )


def _record(fields: Mapping[str, Any]) -> ItemRecord:
    published = fields["published_at"] or fields["created_at"]
    return ItemRecord(
        pk=fields["pk"],
        external_id=fields["external_id"],
        title=fields["title"],
        categories=tuple(fields["categories"]),
        tags=tuple(fields["tags"]),
        creators=tuple(fields["creators"]),
        price=fields["price"],
        language=fields["language"],
        published_s=published.timestamp(),
        expires_s=_seconds(fields["expires_at"]),
        attributes=fields["attributes"],
        is_hidden=fields["is_hidden"],
    )


def _seconds(moment: datetime | None) -> float:
    return np.inf if moment is None else moment.timestamp()
