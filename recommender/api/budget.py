"""Rate limits at the edge: permits are fetched from the shared counter in blocks, spent in process.

A block saves the hot path its own statement. Small limits fetch one permit at a time, so that they
stay exact over all processes; larger ones may refuse a block early, and never let one through.
"""

import math
import threading
from dataclasses import dataclass
from time import monotonic

import structlog
from django.db import OperationalError
from django.utils.translation import gettext as _

from recommender.accounts.limits import spend
from recommender.accounts.models import ApiKey
from recommender.api.problems import Problem

log = structlog.get_logger("recommender.api")

WINDOW_S = 60
EXACT_BELOW = 200  # limits smaller than this fetch permits one by one
BLOCKS_PER_WINDOW = 40


@dataclass
class Held:
    """Permits that this process fetched and has not spent."""

    permits: int
    remaining: int  # what the shared counter had left after the fetch
    ends_at: float  # monotonic()


@dataclass(frozen=True)
class Left:
    """What a caller may still spend, for the RateLimit headers."""

    limit: int
    remaining: int
    resets_in_s: int

    def headers(self) -> dict[str, str]:
        """Write draft-ietf-httpapi-ratelimit-headers fields; no legacy ones."""
        return {
            "RateLimit-Policy": f'"default";q={self.limit};w={WINDOW_S}',
            "RateLimit": f'"default";r={self.remaining};t={self.resets_in_s}',
        }


_held: dict[int, Held] = {}
_lock = threading.Lock()


def charge(key: ApiKey, cost: int) -> Left:
    """Spend `cost` permits of a key's minute. One statement per block of permits.

    Raises: Problem 429 with Retry-After when the minute's budget is used up.
    """
    with _lock:
        left = _from_hand(key, cost)
    return left or _from_counter(key, cost)


def forget() -> None:
    """Drop all permits in hand (tests)."""
    with _lock:
        _held.clear()


def _from_hand(key: ApiKey, cost: int) -> Left | None:
    held = _held.get(key.pk)
    if held is None or held.permits < cost or held.ends_at <= monotonic():
        return None
    held.permits -= cost
    return _left(key, held)


def _from_counter(key: ApiKey, cost: int) -> Left:
    subject = f"key:{key.pk}"
    block = cost
    if key.rate_limit >= EXACT_BELOW:
        block = max(cost, key.rate_limit // BLOCKS_PER_WINDOW)
    try:
        budget = spend(subject=subject, limit=key.rate_limit, cost=block, window_s=WINDOW_S)
        if not budget.is_allowed and block > cost:
            block = cost
            budget = spend(subject=subject, limit=key.rate_limit, cost=block, window_s=WINDOW_S)
    except OperationalError as error:
        # Lists are answered even without a database; whatever must store something fails by itself.
        log.error("limit_not_counted", key=key.pk, error=str(error))
        return Left(key.rate_limit, 0, WINDOW_S)
    ends_at = monotonic() + budget.resets_in_s
    if not budget.is_allowed:
        raise _too_many(key, Held(0, 0, ends_at))
    held = Held(block - cost, budget.remaining, ends_at)
    with _lock:
        _held[key.pk] = held
    return _left(key, held)


def _left(key: ApiKey, held: Held) -> Left:
    # With nothing left on the shared counter another process would refuse: promise nothing then.
    remaining = held.remaining + held.permits if held.remaining else 0
    return Left(key.rate_limit, remaining, max(1, math.ceil(held.ends_at - monotonic())))


def _too_many(key: ApiKey, held: Held) -> Problem:
    left = _left(key, held)
    detail = _("The key's %(limit)s requests a minute are used up; wait %(s)s s.")
    return Problem(
        "rate_limited",
        detail % {"limit": key.rate_limit, "s": left.resets_in_s},
        headers={"Retry-After": str(left.resets_in_s), **left.headers()},
    )
