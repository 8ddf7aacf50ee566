"""Raw bulk inserts that ignore rows already there; the ORM costs 100 µs a row, these about 10."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, models

Row = Sequence[Any]
ROWS_PER_STATEMENT = 1000


def insert_ignore(model: type[models.Model], columns: Sequence[str], rows: Sequence[Row]) -> int:
    """Insert rows whose keys are not there yet; return how many went in."""
    if not rows:
        return 0
    holders = ", ".join(["%s"] * len(columns))
    statement = f"{_head(model, columns)} VALUES ({holders}) ON CONFLICT DO NOTHING"
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)
        count: int = cursor.rowcount
    return max(count, 0)


def insert_returning(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[Row], returning: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Insert like `insert_ignore` and return the named columns of the rows that went in.

    On PostgreSQL a row that another transaction is inserting is waited for, so the answer is exact
    when two processes send the same row at once.
    """
    holders = "(" + ", ".join(["%s"] * len(columns)) + ")"
    tail = f" ON CONFLICT DO NOTHING RETURNING {_names(returning)}"
    inserted: list[tuple[Any, ...]] = []
    with connection.cursor() as cursor:
        for start in range(0, len(rows), ROWS_PER_STATEMENT):
            chunk = rows[start : start + ROWS_PER_STATEMENT]
            statement = f"{_head(model, columns)} VALUES {', '.join([holders] * len(chunk))}{tail}"
            cursor.execute(statement, [value for row in chunk for value in row])
            inserted.extend(cursor.fetchall())
    return inserted


def update_many(
    model: type[models.Model], key: str, columns: Sequence[str], rows: Sequence[Row]
) -> None:
    """Set `columns` of the rows named by `key`; each row is (values of columns …, key)."""
    if not rows:
        return
    quote = connection.ops.quote_name
    changes = ", ".join(f"{quote(column)} = %s" for column in columns)
    table = quote(model._meta.db_table)
    with connection.cursor() as cursor:
        # Names come from our own models, never from outside.
        cursor.executemany(f"UPDATE {table} SET {changes} WHERE {quote(key)} = %s", rows)  # noqa: S608


def times() -> Callable[[datetime | None], Any]:
    """Return the function that turns a time into what the database at hand stores."""
    return connection.ops.adapt_datetimefield_value


def uuids() -> Callable[[UUID | None], Any]:
    """Return the function that turns a UUID into what the database at hand stores."""
    if connection.features.has_native_uuid_field:
        return lambda value: value
    return lambda value: value.hex if value else None


def read_uuid(value: Any) -> UUID:
    """Read a UUID that a raw statement returned."""
    return value if isinstance(value, UUID) else UUID(value)


def as_json(value: Any) -> str:
    """Write a value for a JSON column."""
    return orjson.dumps(value).decode()


def _head(model: type[models.Model], columns: Sequence[str]) -> str:
    table = connection.ops.quote_name(model._meta.db_table)
    return f"INSERT INTO {table} ({_names(columns)})"


def _names(columns: Sequence[str]) -> str:
    return ", ".join(connection.ops.quote_name(column) for column in columns)
