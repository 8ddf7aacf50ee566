"""Product time. Everything that follows the calendar asks here; latency uses `time.monotonic`.

With the boot flag `SIM_CLOCK=1` an operator may set the time forward. The offset is a row, read at
most once a second per process, so that all processes follow. Code that replays the past (the
simulator) wraps its work in `at(moment)`, which holds for the current thread only.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models

from recommender.errors import Refused

_frozen: ContextVar[datetime | None] = ContextVar("frozen_time", default=None)
_cached: tuple[float, timedelta] = (-1e9, timedelta(0))


class ClockOffset(models.Model):
    """How far product time runs ahead of real time; at most one row, used only with SIM_CLOCK."""

    offset = models.DurationField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(id=1), name="clock_offset_single_row")
        ]

    def __str__(self) -> str:
        """Name the offset."""
        return f"+{self.offset}"


def now() -> datetime:
    """Return the product's current time, aware, in UTC."""
    frozen = _frozen.get()
    if frozen is not None:
        return frozen
    real = datetime.now(UTC)
    return real + _offset() if settings.SIM_CLOCK else real


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Hold product time at `moment` inside the block, for this thread."""
    token = _frozen.set(moment)
    try:
        yield
    finally:
        _frozen.reset(token)


def set_forward(moment: datetime) -> datetime:
    """Set product time to `moment`, which must not lie before the present product time.

    Raises: Refused without the boot flag SIM_CLOCK, or when time would run backwards.
    """
    global _cached
    if not settings.SIM_CLOCK:
        raise Refused("The clock cannot be set: RecLoop was started without SIM_CLOCK=1.")
    if moment < now():
        raise Refused(
            f"now is {moment.isoformat()}; time only moves forward from {now().isoformat()}."
        )
    ClockOffset.objects.update_or_create(id=1, defaults={"offset": moment - datetime.now(UTC)})
    _cached = (-1e9, timedelta(0))
    return now()


def _offset() -> timedelta:
    global _cached
    read_at, offset = _cached
    if time.monotonic() - read_at > 1.0:
        row = ClockOffset.objects.filter(id=1).first()
        offset = row.offset if row else timedelta(0)
        _cached = (time.monotonic(), offset)
    return offset
