"""Checks of one event that need no database."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256

import orjson
from django.utils.translation import gettext as _

from recommender.catalog.models import Catalog
from recommender.catalog.rules import EventRule, canonical, is_on_scale
from recommender.collect.events import NewEvent, Problem

OLDEST = timedelta(days=30)
NEWEST = timedelta(minutes=5)
TEXT_LIMITS: Mapping[str, int] = {"user": 200, "item": 200, "reason": 40, "session_id": 64}


def is_clean(text: str, limit: int) -> bool:
    """Tell whether every database stores this text as it is: no NUL, no half surrogate."""
    if len(text) > limit or "\0" in text:
        return False
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def check_event(catalog: Catalog, rules: Mapping[str, EventRule], event: NewEvent) -> EventRule:
    """Return the rule of the event's type.

    Raises: Problem with the code that the result reports.
    """
    rule = rules.get(canonical(event.type))
    if rule is None:
        raise Problem(
            "unknown_type",
            _("The type is %(type)r; this catalog knows %(known)s.")
            % {"type": event.type[:40], "known": ", ".join(rules)},
        )
    for name, limit in TEXT_LIMITS.items():
        text = getattr(event, name)
        if text and not is_clean(text, limit):
            raise Problem(
                "bad_value",
                _("%(field)s must have at most %(limit)s characters, none of them NUL.")
                % {"field": name, "limit": limit},
            )
    if event.occurred_at is not None and event.occurred_at.tzinfo is None:
        raise Problem("bad_value", _("occurred_at has no time zone; end it with Z or +00:00."))
    _check_value(catalog, rule, event.value)
    return rule


def _is_number(value: float) -> bool:
    """Tell whether a value fits a float column: 10**400 is an int and does not."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _check_value(catalog: Catalog, rule: EventRule, value: float | None) -> None:
    if rule.role == "rating":
        if value is None or not _is_number(value) or not is_on_scale(catalog, value):
            raise Problem(
                "bad_value",
                _("The rating is %(value)s; the scale runs from %(low)g to %(high)g by %(step)g.")
                % {
                    "value": value,
                    "low": catalog.rating_min,
                    "high": catalog.rating_max,
                    "step": catalog.rating_step,
                },
            )
    elif value is not None and not (_is_number(value) and value >= 0):
        raise Problem(
            "bad_value", _("The value is %(value)s; send a number from 0 on.") % {"value": value}
        )


def body_hash(event: NewEvent, user: str | None) -> str:
    """Digest what the client says happened; the same id with another digest is a conflict.

    Two spellings of one moment, and an alias of a type, are the same body.
    """
    return digest_body(
        canonical(event.type),
        event.user or user,
        event.item,
        event.value,
        None if event.occurred_at is None else event.occurred_at.timestamp(),
        event.reason,
        event.token,
        str(event.undoes) if event.undoes else None,
    )


def digest_body(  # noqa: PLR0913 - exactly the parts of a body
    type: str,
    user: str | None,
    item: str | None,
    value: float | None,
    time_s: float | None,
    reason: str = "",
    token: str | None = None,
    undoes: str | None = None,
) -> str:
    """Digest the parts of an event's body."""
    number = None if value is None else float(value)
    return sha256(
        orjson.dumps((type, user, item, number, time_s, reason, token, undoes))
    ).hexdigest()


def clamp(client: datetime | None, received: datetime, *, is_trusted: bool) -> datetime:
    """Return when the event counts as having happened: the client's time within its limits.

    Imports and the simulator (`is_trusted`) speak of the past and keep their times.
    """
    if client is None:
        return received
    if is_trusted:
        return client
    return min(max(client, received - OLDEST), received + NEWEST)
