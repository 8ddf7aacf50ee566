"""Raw bulk inserts that ignore rows already there; the ORM costs 100 µs a row, these about 10."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, models

Row = Sequence[Any]
ROWS_PER_STATEMENT = 1000
ROWS_TO_COPY = 500


def insert_ignore(model: type[models.Model], columns: Sequence[str], rows: Sequence[Row]) -> int:
    """Insert rows whose keys are not there yet; return how many went in."""
    holders = _holders(columns)
    inserted = 0
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            statement = f"{_head(model, columns)} VALUES {holders} ON CONFLICT DO NOTHING"
            if rows:
                cursor.executemany(statement, rows)
                inserted = cursor.rowcount
            return inserted
        if len(rows) >= ROWS_TO_COPY:
            return _copy_ignore(cursor, model, columns, rows)
        # A server answers each statement: a thousand rows in one spare it 999 answers.
        for chunk in _chunks(rows):
            values = ", ".join([holders] * len(chunk))
            statement = f"{_head(model, columns)} VALUES {values} ON CONFLICT DO NOTHING"
            cursor.execute(statement, [value for row in chunk for value in row])
            inserted += cursor.rowcount
    return inserted


def _copy_ignore(
    cursor: Any, model: type[models.Model], columns: Sequence[str], rows: Sequence[Row]
) -> int:
    """Insert through COPY, which PostgreSQL takes five times as fast, by way of a table."""
    names, table = _names(columns), connection.ops.quote_name(model._meta.db_table)
    # The names are our own models'. Rows of a transaction that fails leave with their table.
    shape = f"SELECT {names} FROM {table} WITH NO DATA"  # noqa: S608
    cursor.execute(f"CREATE TEMP TABLE copied ON COMMIT DROP AS {shape}")
    with cursor.copy(f"COPY copied ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    cursor.execute(f"{_head(model, columns)} SELECT {names} FROM copied ON CONFLICT DO NOTHING")  # noqa: S608
    inserted: int = cursor.rowcount
    cursor.execute("DROP TABLE copied")
    return inserted


def insert_returning(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[Row], returning: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Insert like `insert_ignore` and return the named columns of the rows that went in.

    On PostgreSQL a row that another transaction is inserting is waited for, so the answer is exact
    when two processes send the same row at once.
    """
    holders = _holders(columns)
    tail = f" ON CONFLICT DO NOTHING RETURNING {_names(returning)}"
    inserted: list[tuple[Any, ...]] = []
    with connection.cursor() as cursor:
        for chunk in _chunks(rows):
            statement = f"{_head(model, columns)} VALUES {', '.join([holders] * len(chunk))}{tail}"
            cursor.execute(statement, [value for row in chunk for value in row])
            inserted.extend(cursor.fetchall())
    return inserted


def select(
    model: type[models.Model], columns: Sequence[str], key: str, keys: Collection[Any], scope: int
) -> list[tuple[Any, ...]]:
    """Read columns of the rows of the catalog `scope` whose `key` is among `keys`.

    Building the same statement with the ORM costs more than running it.
    """
    if not keys:
        return []
    statement = f"{_where(model, columns, key, len(keys))} AND catalog_id = %s"
    return _fetch(statement, [*keys, scope])


def select_locked(
    model: type[models.Model], columns: Sequence[str], key: str, keys: Collection[Any]
) -> list[tuple[Any, ...]]:
    """Read rows in order of the key and keep others from them until the transaction ends.

    SQLite locks the whole file from the start of a transaction, so there is nothing to add there.
    """
    if not keys:
        return []
    tail = " FOR UPDATE" if connection.features.has_select_for_update else ""
    order = connection.ops.quote_name(key)
    return _fetch(f"{_where(model, columns, key, len(keys))} ORDER BY {order}{tail}", [*keys])


def _where(model: type[models.Model], columns: Sequence[str], key: str, count: int) -> str:
    quote = connection.ops.quote_name
    holders = ", ".join(["%s"] * count)
    table = quote(model._meta.db_table)
    return f"SELECT {_names(columns)} FROM {table} WHERE {quote(key)} IN ({holders})"  # noqa: S608


def _fetch(statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


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


def read_time(value: datetime) -> datetime:
    """Read a time that a raw statement returned: SQLite's are in UTC and do not say so."""
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def as_json(value: Any) -> str:
    """Write a value for a JSON column."""
    return orjson.dumps(value).decode()


def _head(model: type[models.Model], columns: Sequence[str]) -> str:
    table = connection.ops.quote_name(model._meta.db_table)
    return f"INSERT INTO {table} ({_names(columns)})"


def _holders(columns: Sequence[str]) -> str:
    return "(" + ", ".join(["%s"] * len(columns)) + ")"


def _chunks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        yield rows[start : start + ROWS_PER_STATEMENT]


def _names(columns: Sequence[str]) -> str:
    return ", ".join(connection.ops.quote_name(column) for column in columns)
