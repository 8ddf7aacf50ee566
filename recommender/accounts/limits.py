"""Rate limits that hold under parallel requests: one atomic upsert decides."""

import math
import time
from dataclasses import dataclass

from django.db import connection

from recommender.accounts.models import RateWindow

KEPT_MINUTES = 2 * 24 * 60


@dataclass(frozen=True)
class Budget:
    """What is left of a subject's budget after a request."""

    is_allowed: bool
    remaining: int
    resets_in_s: int


def spend(*, subject: str, limit: int, cost: int = 1, window_s: int = 60) -> Budget:
    """Take `cost` from the subject's budget of `limit` per window, if that much is left.

    A refused request takes nothing. Windows follow real time and start at multiples of `window_s`,
    which is a number of whole minutes; keep to one window length per subject. Runs one statement,
    two when refused.
    """
    if window_s < 60 or window_s % 60:
        raise ValueError(f"window_s is {window_s}; use a multiple of 60.")
    now = time.time()
    start_s = int(now // window_s) * window_s
    resets_in_s = max(1, math.ceil(start_s + window_s - now))
    spent = _take(subject, start_s // 60, limit, cost) if cost <= limit else None
    if spent is not None:
        return Budget(True, limit - spent, resets_in_s)
    row = RateWindow.objects.filter(subject=subject, window=start_s // 60).first()
    return Budget(False, max(0, limit - (row.spent if row else 0)), resets_in_s)


def forget_old_windows() -> int:
    """Delete windows that began more than two days ago; return how many."""
    oldest = int(time.time() // 60) - KEPT_MINUTES
    deleted, _rows = RateWindow.objects.filter(window__lt=oldest).delete()
    return deleted


def _take(subject: str, window: int, limit: int, cost: int) -> int | None:
    table = connection.ops.quote_name(RateWindow._meta.db_table)
    statement = f"""
        INSERT INTO {table} (subject, "window", spent) VALUES (%s, %s, %s)
        ON CONFLICT (subject, "window") DO UPDATE SET spent = {table}.spent + excluded.spent
        WHERE {table}.spent + excluded.spent <= %s
        RETURNING spent
    """  # noqa: S608 - the only name put in is our own table's
    with connection.cursor() as cursor:
        cursor.execute(statement, [subject, window, cost, limit])
        row = cursor.fetchone()
    return row[0] if row else None
