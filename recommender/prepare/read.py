"""Read a catalog's rows into arrays, in bulk: the ORM would cost ten times the time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection

from recommender.catalog.models import Catalog, Item, ItemVector
from recommender.collect.models import Event, User
from recommender.ml.encoders import encoder_id
from recommender.ml.interactions import BoolArray, FloatArray, IntArray, Modality

ROWS_AT_ONCE = 50_000
KEYS_AT_ONCE = 500  # SQLite's oldest limit is 999 parameters


@dataclass(frozen=True)
class EventTable:
    """Standing events in the order (time, arrival); types are numbered by `types`."""

    type: IntArray  # (N,) index into `types`
    user: IntArray  # (N,) database keys
    item: IntArray  # (N,) database keys, 0 = none
    value: FloatArray  # (N,) NaN = none
    occurred: IntArray  # (N,) seconds since 1970
    received: IntArray  # (N,)
    trust: FloatArray  # (N,)
    simulated: BoolArray  # (N,)
    types: tuple[str, ...]

    def __len__(self) -> int:
        """Count the events."""
        return len(self.user)

    def take(self, chosen: BoolArray | IntArray) -> EventTable:
        """Keep the events that a mask or positions select."""
        names = [f.name for f in fields(self) if f.name != "types"]
        return EventTable(**{n: getattr(self, n)[chosen] for n in names}, types=self.types)


@dataclass(frozen=True)
class ItemRow:
    """What `prepare` reads of an item."""

    pk: int
    price: float | None
    sales: int | None
    published_at: datetime | None
    categories: list[str]


def read_events(
    *, catalog: Catalog, until: datetime, types: Sequence[str], include_simulated: bool
) -> EventTable:
    """Read the standing events of the given types received up to `until`. One query.

    An event whose taking-back arrived up to `until` does not stand, whenever it happened: a slip
    of the hand must not be learned from, nor judged on.
    """
    holders = ", ".join(["%s"] * len(types))
    simulated = "" if include_simulated else "AND e.source <> 'simulated' AND NOT u.is_simulated"
    # Table names come from our own models; every value is a parameter.
    statement = f"""
        SELECT e.type, e.user_id, e.item_id, e.value, e.occurred_at, e.received_at, e.trust,
               CASE WHEN e.source = 'simulated' OR u.is_simulated THEN 1 ELSE 0 END
        FROM {Event._meta.db_table} e JOIN {User._meta.db_table} u ON u.id = e.user_id
        WHERE e.catalog_id = %s AND e.received_at <= %s AND e.type IN ({holders}) {simulated}
        AND NOT {_taken_back()}
        ORDER BY e.occurred_at, e.id
    """  # noqa: S608
    numbers = {name: number for number, name in enumerate(types)}
    moment = _parameter(until)
    parts = [
        _columns(rows, numbers) for rows in _fetch(statement, [catalog.pk, moment, *types, moment])
    ]
    whole = [np.concatenate(column) for column in zip(_columns([], numbers), *parts, strict=True)]
    names, users, items, values, occurred, received, trust, simulated_rows = whole
    return EventTable(
        type=names,
        user=users,
        item=items,
        value=values,
        occurred=occurred,
        received=received,
        trust=trust,
        simulated=simulated_rows,
        types=tuple(types),
    )


def count_taken_back(*, catalog: Catalog, until: datetime) -> int:
    """Count events that an undo took back. One query."""
    statement = f"""
        SELECT COUNT(*) FROM {Event._meta.db_table} e
        WHERE e.catalog_id = %s AND e.received_at <= %s AND {_taken_back()}
    """  # noqa: S608
    moment = _parameter(until)
    with connection.cursor() as cursor:
        cursor.execute(statement, [catalog.pk, moment, moment])
        return int(cursor.fetchone()[0])


def read_items(catalog: Catalog) -> list[ItemRow]:
    """Read every item of the catalog, hidden ones too, in the order of their keys. One query."""
    rows = Item.objects.filter(catalog=catalog).order_by("pk")
    columns = rows.values_list("pk", "price", "sales", "published_at", "categories")
    return [ItemRow(*row) for row in columns.iterator(chunk_size=5000)]


def read_attributes(user_ids: IntArray) -> list[Mapping[str, Any]]:
    """Read the attributes of users, in the given order. One query for 500 users."""
    found: dict[int, Mapping[str, Any]] = {}
    for start in range(0, len(user_ids), KEYS_AT_ONCE):
        keys = user_ids[start : start + KEYS_AT_ONCE].tolist()
        found.update(User.objects.filter(pk__in=keys).values_list("pk", "attributes"))
    return [found.get(int(key)) or {} for key in user_ids]


def read_content(
    *, catalog: Catalog, encoders: Mapping[str, str], item_ids: IntArray
) -> tuple[FloatArray, tuple[Modality, ...]]:
    """Read the items' content vectors, one block of unit rows per modality. One query.

    Args:
        encoders: modality → the encoder's name in settings.
        item_ids: (M+1,) sorted database keys, [0] = 0.
    Returns: (M+1, C) and the modalities in the order of the blocks; zeros where an item has no
        vector, C = 0 when nothing was embedded. Encoders and versions are never mixed: of each
        modality, the one that has read most items counts, so that while a new one is at work the
        old one serves; at equal counts it is the one in the settings.
    """
    rows = ItemVector.objects.filter(item__catalog=catalog, modality__in=list(encoders))
    columns = ("modality", "encoder_id", "encoder_version", "item_id", "vector")
    found: dict[str, dict[tuple[str, str, int], dict[int, bytes]]] = {}
    for modality, *encoder, key, blob in rows.values_list(*columns).iterator(chunk_size=2000):
        name = (encoder[0], encoder[1], len(blob))
        found.setdefault(modality, {}).setdefault(name, {})[key] = bytes(blob)
    blocks, modalities = [np.zeros((len(item_ids), 0), dtype=np.float32)], []
    for modality, setting in encoders.items():
        sets = found.get(modality, {})
        wanted = encoder_id(setting)
        if not sets:
            continue
        best = max(sets, key=lambda one: (len(sets[one]), one[0] == wanted, one))
        block = _unit_block(sets[best], item_ids)
        if block.any():
            blocks.append(block)
            modalities.append(Modality(modality, block.shape[1], f"{best[0]}@{best[1]}"))
    return np.concatenate(blocks, axis=1), tuple(modalities)


def _unit_block(blobs: Mapping[int, bytes], item_ids: IntArray) -> FloatArray:
    keys = np.array(list(blobs), dtype=np.int64)
    table = np.frombuffer(b"".join(blobs.values()), dtype="<f4").reshape(len(keys), -1)
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    place = np.minimum(np.searchsorted(item_ids, keys), len(item_ids) - 1)
    known = item_ids[place] == keys  # an item may have come since the items were read
    block = np.zeros((len(item_ids), table.shape[1]), dtype=np.float32)
    block[place[known]] = (table / np.where(lengths > 0, lengths, 1.0))[known]
    return block


def _taken_back() -> str:
    return (
        f"EXISTS (SELECT 1 FROM {Event._meta.db_table} x "  # noqa: S608 - our own table's name
        "WHERE x.target_id = e.id AND x.type = 'undo' AND x.received_at <= %s)"
    )


def _parameter(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


def _fetch(statement: str, parameters: list[Any]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield chunks from a cursor that leaves the rest on the server, where there is one."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, parameters)
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            yield rows


def _columns(rows: list[tuple[Any, ...]], numbers: Mapping[str, int]) -> list[Any]:
    names, users, items, values, occurred, received, trust, simulated = (
        zip(*rows, strict=True) if rows else ((),) * 8
    )
    return [
        np.array([numbers[name] for name in names], dtype=np.int16),
        np.array(users, dtype=np.int64),
        np.array([item or 0 for item in items], dtype=np.int64),
        np.array(values, dtype=np.float64),  # None becomes NaN
        _seconds(occurred),
        _seconds(received),
        np.array(trust, dtype=np.float64),
        np.array(simulated, dtype=np.bool_),
    ]


def _seconds(moments: Sequence[Any]) -> IntArray:
    """Read times from either database: SQLite gives naive UTC or text, PostgreSQL aware ones."""
    if not moments or isinstance(moments[0], str) or moments[0].tzinfo is None:
        return np.array(moments, dtype="datetime64[s]").astype(np.int64)
    return np.array([int(moment.timestamp()) for moment in moments], dtype=np.int64)


def categories_of(row: ItemRow) -> list[str]:
    """Return an item's categories as words, whatever its JSON holds."""
    listed = row.categories if isinstance(row.categories, list) else [row.categories]
    return [name if isinstance(name, str) else json.dumps(name) for name in listed if name]
