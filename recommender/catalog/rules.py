"""What each type of event means in a catalog: its weight, how fast it ages, what it does."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from recommender.catalog.models import Catalog

Role = Literal["exposure", "weak", "positive", "rating", "negative", "control"]

EVENT_TYPES = (
    "impression",
    "click",
    "dwell",
    "rating",
    "like",
    "want",
    "cart",
    "purchase",
    "share",
    "dismiss",
    "undo",
    "custom",
)
ALIASES: Mapping[str, str] = {"view": "impression"}
# Types that may come without an item.
WITHOUT_ITEM = frozenset({"undo", "custom"})


@dataclass(frozen=True)
class EventRule:
    """One type of event: how much it says, for how long, and what it changes."""

    type: str
    weight: float
    half_life_days: float
    role: Role
    marks_seen: bool = False  # the item is not recommended again


def _rule(weight: float, half_life_days: float, role: Role, seen: bool = False) -> dict[str, Any]:
    return {"weight": weight, "half_life_days": half_life_days, "role": role, "seen": seen}


def _common(days: float) -> dict[str, dict[str, Any]]:
    return {
        "impression": _rule(0.0, days, "exposure"),
        "dismiss": _rule(0.0, days * 4, "negative"),
        "undo": _rule(0.0, days, "control"),
        "custom": _rule(0.0, days, "control"),
    }


# Half-lives follow how fast each kind of thing ages: films over a year, news within two days.
DEFAULT_RULES: Mapping[str, Mapping[str, dict[str, Any]]] = {
    "films": _common(90)
    | {
        "click": _rule(0.2, 30, "weak"),
        "dwell": _rule(0.2, 30, "weak"),
        "rating": _rule(1.0, 365, "rating", seen=True),
        "like": _rule(1.0, 180, "positive"),
        "want": _rule(0.6, 120, "positive"),
        "purchase": _rule(1.0, 365, "positive", seen=True),
        "share": _rule(0.8, 180, "positive"),
    },
    "shop": _common(30)
    | {
        "click": _rule(0.2, 14, "weak"),
        "dwell": _rule(0.2, 14, "weak"),
        "rating": _rule(1.0, 180, "rating", seen=True),
        "like": _rule(0.5, 60, "positive"),
        "want": _rule(0.5, 60, "positive"),
        "cart": _rule(0.6, 30, "positive"),
        "purchase": _rule(1.0, 120, "positive", seen=True),
        "share": _rule(0.5, 60, "positive"),
    },
    "news": _common(7)
    | {
        "click": _rule(1.0, 2, "positive", seen=True),
        "dwell": _rule(0.5, 2, "weak"),
        "rating": _rule(1.0, 7, "rating", seen=True),
        "like": _rule(1.0, 7, "positive"),
        "share": _rule(1.0, 7, "positive"),
    },
    "social": _common(14)
    | {
        "click": _rule(0.3, 7, "weak"),
        "dwell": _rule(0.3, 7, "weak"),
        "rating": _rule(1.0, 30, "rating", seen=True),
        "like": _rule(1.0, 30, "positive"),
        "want": _rule(0.7, 30, "positive"),
        "share": _rule(1.0, 30, "positive"),
    },
}


def canonical(event_type: str) -> str:
    """Return the name that rules and rows use for an event type."""
    return ALIASES.get(event_type, event_type)


def rules_of(catalog: Catalog) -> dict[str, EventRule]:
    """Read the catalog's event rules; an empty table means its scenario's defaults."""
    stored = catalog.event_rules or DEFAULT_RULES[catalog.scenario]
    return {name: _read(name, rule) for name, rule in stored.items()}


def _read(name: str, rule: Mapping[str, Any]) -> EventRule:
    role: Role = rule["role"]
    seen = bool(rule.get("seen", role == "rating" or name == "purchase"))
    return EventRule(name, float(rule["weight"]), float(rule["half_life_days"]), role, seen)


def midpoint(catalog: Catalog) -> float:
    """Return the middle of the rating scale: below it a rating is no recommendation."""
    return (catalog.rating_min + catalog.rating_max) / 2


def strength(catalog: Catalog, type: str, value: float | None) -> float:
    """Say how much one event speaks for its item, 0 when it does not.

    A rating counts whole from `liked_from` on, half from the middle of the scale on, else not.
    """
    rule = (catalog.event_rules or DEFAULT_RULES[catalog.scenario]).get(type)
    if rule is None or rule["role"] in {"exposure", "negative", "control"}:
        return 0.0
    weight = float(rule["weight"])
    if rule["role"] != "rating":
        return weight
    if value is None or value < midpoint(catalog):
        return 0.0
    return weight if value >= catalog.liked_from else weight / 2


def is_on_scale(catalog: Catalog, value: float) -> bool:
    """Tell whether a rating lies on the catalog's scale, steps included."""
    if not math.isfinite(value) or not catalog.rating_min <= value <= catalog.rating_max:
        return False
    steps = (value - catalog.rating_min) / catalog.rating_step
    return abs(steps - round(steps)) < 1e-6
