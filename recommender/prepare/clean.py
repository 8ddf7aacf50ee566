"""Decide which events to learn from, and how much each weighs. Arrays in, arrays out.

Whether an event stays depends only on events that are not later than it, so no later event can
change what a model is trained on. The one exception is `supersede`, which looks no farther than
its own side of the split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from recommender.ml.interactions import BoolArray, FloatArray, IntArray
from recommender.prepare.read import EventTable

ROBOT_PER_MINUTE = 100  # people rating whole pages of films reach 30
LEAST_TRUST = 0.3
SKEW_S = 300  # how far a client's clock may run ahead
DUPLICATE_S = 1
LONGEST_DWELL_S = 86_400
DAY_S = 86_400
LEAST_WEIGHT = 0.01  # of events that say something besides being positive: a rating's value
_DURATION, _AMOUNT = "dwell", ("purchase", "cart")
_MILLION = 1_000_000


@dataclass(frozen=True)
class Rules:
    """The catalog's event rules as arrays by type number, and its rating scale."""

    types: tuple[str, ...]
    is_rating: BoolArray  # (T,)
    marks_seen: BoolArray  # (T,)
    on_scale: Mapping[float, bool]  # every rating that occurs → whether it lies on the scale
    strengths: Mapping[tuple[int, float], float]  # (type, rating or 0) → strength


@dataclass(frozen=True)
class Cleaned:
    """What is left: the table, the weight of each event, and what was dropped for which reason."""

    table: EventTable
    weight: FloatArray  # (N,)
    dropped: dict[str, int] = field(default_factory=dict)

    def keep(self, mask: BoolArray, reason: str) -> Cleaned:
        """Drop what the mask leaves out and count it under the reason."""
        gone = int(len(mask) - mask.sum())
        counts = self.dropped | ({reason: self.dropped.get(reason, 0) + gone} if gone else {})
        return Cleaned(self.table.take(mask), self.weight[mask], counts)


def clean(table: EventTable, rules: Rules, item_ids: IntArray) -> Cleaned:
    """Apply all rules but `supersede`, which needs the split."""
    state = Cleaned(table, np.zeros(len(table)))
    state = state.keep(np.isin(table.item, item_ids[1:]), "orphan")
    state = state.keep(_is_possible(state.table, rules), "impossible_value")
    state = state.keep(state.table.occurred <= state.table.received + SKEW_S, "clock_skew")
    state = _in_order(state)
    state = state.keep(state.table.trust >= LEAST_TRUST, "robot")
    state = state.keep(_rate_per_minute(state.table) <= ROBOT_PER_MINUTE, "robot")
    state = state.keep(~_repeats(state.table), "duplicate")
    return _cap_by_day(replace(state, weight=strengths_of(state.table, rules)), rules)


def supersede(state: Cleaned, rules: Rules, split_at: int) -> Cleaned:
    """Keep the latest rating that a user gave an item on each side of the split."""
    table = state.table
    side = table.occurred >= split_at
    rated = np.flatnonzero(rules.is_rating[table.type])
    order = rated[np.lexsort((rated, side[rated], table.item[rated], table.user[rated]))]
    same = (
        (np.diff(table.user[order]) == 0)
        & (np.diff(table.item[order]) == 0)
        & (side[order][1:] == side[order][:-1])
    )
    mask = np.ones(len(table), dtype=np.bool_)
    mask[order[:-1][same]] = False
    return state.keep(mask, "superseded")


def strengths_of(table: EventTable, rules: Rules) -> FloatArray:
    """Return (N,) how much each event speaks for its item."""
    graded = np.where(rules.is_rating[table.type], np.nan_to_num(table.value), 0.0)
    pairs, which = np.unique(np.stack([table.type, graded]), axis=1, return_inverse=True)
    known = [rules.strengths[int(number), float(value)] for number, value in pairs.T]
    return np.array(known, dtype=np.float64)[which.ravel()]


def _is_possible(table: EventTable, rules: Rules) -> BoolArray:
    value, missing = table.value, np.isnan(table.value)
    fine = np.isfinite(value) | missing
    rated = rules.is_rating[table.type]
    values, which = np.unique(np.where(rated, value, np.nan), return_inverse=True, equal_nan=True)
    on_scale = np.array([rules.on_scale.get(float(v), False) for v in values], dtype=np.bool_)
    fine &= ~rated | on_scale[which]
    for name, highest in ((_DURATION, LONGEST_DWELL_S), *((a, np.inf) for a in _AMOUNT)):
        if name in rules.types:
            own = table.type == rules.types.index(name)
            fine &= ~own | missing | ((value >= 0) & (value <= highest))
    return fine


def _in_order(state: Cleaned) -> Cleaned:
    """Move events of clocks that run ahead back to their arrival, and sort again."""
    times = np.minimum(state.table.occurred, state.table.received)
    order = np.argsort(times, kind="stable")
    table = replace(state.table, occurred=times).take(order)
    return replace(state, table=table)


def _rate_per_minute(table: EventTable) -> IntArray:
    """Return how many events, itself included, the user sent in the minute before each event."""
    order = np.lexsort((table.occurred, table.user))
    _, user = np.unique(table.user[order], return_inverse=True)
    span = int(table.occurred.max(initial=0)) + 120
    key = user.astype(np.int64) * span + table.occurred[order]  # rises; users lie 120 s apart
    first = np.searchsorted(key, key - 60, side="right")
    rates = np.empty(len(table), dtype=np.int64)
    rates[order] = np.arange(len(table)) - first + 1
    return rates


def _repeats(table: EventTable) -> BoolArray:
    """Mark events that say what the same user said of the same item at most 1 s before."""
    value = np.nan_to_num(table.value, nan=-1e18)
    order = np.lexsort((table.occurred, value, table.type, table.item, table.user))
    same = np.diff(table.occurred[order]) <= DUPLICATE_S
    for column in (value, table.type, table.item, table.user):
        same &= np.diff(column[order]) == 0
    repeated = np.zeros(len(table), dtype=np.bool_)
    repeated[order[1:][same]] = True
    return repeated


def _cap_by_day(state: Cleaned, rules: Rules) -> Cleaned:
    """Let one user weigh at most 1 per item and day; what comes after that adds nothing."""
    table, full = state.table, state.weight
    day = table.occurred // DAY_S
    order = np.lexsort((np.arange(len(table)), day, table.item, table.user))
    fresh = np.ones(len(table), dtype=np.bool_)
    for column in (day, table.item, table.user):
        fresh[1:] &= np.diff(column[order]) == 0
    fresh[1:] = ~fresh[1:]  # the first event of each (user, item, day)
    # In whole millionths: a running sum of fractions would let other groups change the last bit.
    parts = np.round(full[order] * _MILLION).astype(np.int64)
    before = np.cumsum(parts) - parts
    group = np.maximum.accumulate(np.where(fresh, np.arange(len(table)), 0))
    left = np.clip(_MILLION - (before - before[group]), 0, parts)
    weight = np.empty(len(table))
    weight[order] = left / _MILLION
    spent = (full > 0) & (weight == 0)
    needed = rules.is_rating[table.type] | rules.marks_seen[table.type]
    weight = np.where(spent & needed, LEAST_WEIGHT, weight)
    return replace(state, weight=weight).keep(~spent | needed, "daily_cap")
