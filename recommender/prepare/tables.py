"""Number what is left after cleaning and describe its users and items: rows become arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender.catalog.models import Catalog
from recommender.catalog.rules import EventRule, is_on_scale, rules_of, strength
from recommender.ml.features import (
    FeatureSpec,
    HistoryFacts,
    ItemFacts,
    fit_spec,
    item_matrix,
    user_matrix,
)
from recommender.ml.interactions import FloatArray, IntArray, Interactions, Modality
from recommender.prepare.clean import DAY_S, Cleaned, Rules
from recommender.prepare.read import EventTable, ItemRow, categories_of

_NOT_LEARNED = frozenset({"exposure", "control"})


@dataclass(frozen=True)
class Described:
    """What is known of the users and items besides their events."""

    attributes: Sequence[Mapping[str, Any]]  # of the users in the order of `user_ids`, from [1]
    items: Sequence[ItemRow]  # in the order of `item_ids`, from [1]
    content: FloatArray  # (M+1, C)
    modalities: tuple[Modality, ...] = ()
    rating_scale: tuple[float, float] = (1.0, 5.0)


@dataclass(frozen=True)
class Moments:
    """The two times that features count from, in seconds since 1970."""

    split_at: int  # users: what is known when the judging begins
    until: int  # items: the age at the time of freezing


def learned_rules(catalog: Catalog) -> dict[str, EventRule]:
    """Return the rules of the event types that a model learns from, by name, sorted."""
    rules = rules_of(catalog)
    return {n: rules[n] for n in sorted(rules) if rules[n].role not in _NOT_LEARNED}


def rules_as_arrays(catalog: Catalog, rules: Mapping[str, EventRule], table: EventTable) -> Rules:
    """Ask the catalog's rules once per distinct (type, rating) instead of once per event."""
    is_rating = np.array([rule.role == "rating" for rule in rules.values()], dtype=np.bool_)
    ratings = np.unique(np.nan_to_num(table.value[is_rating[table.type]])).tolist()
    strengths: dict[tuple[int, float], float] = {}
    for number, name in enumerate(rules):
        for value in {*ratings, 0.0} if is_rating[number] else {0.0}:
            graded = value if is_rating[number] else None
            strengths[number, value] = strength(catalog, name, graded)
    return Rules(
        types=tuple(rules),
        is_rating=is_rating,
        marks_seen=np.array([rule.marks_seen for rule in rules.values()], dtype=np.bool_),
        on_scale={value: is_on_scale(catalog, value) for value in ratings},
        strengths=strengths,
    )


def number_rows(keys: IntArray) -> IntArray:
    """Return the sorted distinct database keys behind a leading 0: key k has number index(k)."""
    return np.concatenate([[0], np.unique(keys)]).astype(np.int64)


def build(
    cleaned: Cleaned,
    rules: Mapping[str, EventRule],
    described: Described,
    moments: Moments,
) -> tuple[Interactions, FeatureSpec]:
    """Put numbered events and feature tables together; the spec is fitted on the training part."""
    table = cleaned.table
    user_ids = number_rows(table.user)
    item_ids = np.array([0, *(item.pk for item in described.items)], dtype=np.int64)
    user = np.searchsorted(user_ids, table.user)
    facts = history_facts(cleaned, user, rules, moments.split_at)
    items = item_facts(described.items, moments.until)
    spec = fit_spec(described.attributes, facts, items)
    rows = user_matrix(spec, described.attributes, facts)
    mean = rows.mean(axis=0, keepdims=True) if len(rows) else np.zeros((1, rows.shape[1]))
    item_rows = item_matrix(spec, items)
    interactions = Interactions(
        user=user.astype(np.int32),
        item=np.searchsorted(item_ids, table.item).astype(np.int32),
        kind=table.type.astype(np.int16),
        value=table.value.astype(np.float32),
        weight=cleaned.weight.astype(np.float32),
        time=table.occurred,
        n_users=len(user_ids) - 1,
        n_items=len(item_ids) - 1,
        kinds=tuple(rules),
        half_life_s=np.array([rule.half_life_days * DAY_S for rule in rules.values()]),
        user_features=np.vstack([mean, rows]).astype(np.float32),
        user_feature_names=spec.user_names,
        item_features=np.vstack([np.zeros((1, item_rows.shape[1])), item_rows]).astype(np.float32),
        item_feature_names=spec.item_names,
        content=described.content,
        modalities=described.modalities,
        rating_scale=described.rating_scale,
    )
    return interactions, spec


def history_facts(
    cleaned: Cleaned, user: IntArray, rules: Mapping[str, EventRule], split_at: int
) -> HistoryFacts:
    """Sum up each user's past before the split; rows in the order of user numbers, from 1."""
    n = int(user.max(initial=0)) + 1
    past = cleaned.table.occurred < split_at
    is_rating = np.array([rule.role == "rating" for rule in rules.values()], dtype=np.bool_)
    rated = past & is_rating[cleaned.table.type]
    count = np.bincount(user[rated], minlength=n)
    total = np.bincount(user[rated], weights=cleaned.table.value[rated], minlength=n)
    positive = np.bincount(user[past & (cleaned.weight > 0)], minlength=n)
    latest = np.full(n, -1, dtype=np.int64)
    np.maximum.at(latest, user[past], cleaned.table.occurred[past])
    with np.errstate(invalid="ignore"):
        mean = total / count  # 0/0 is NaN: no rating, no mean
    days = np.where(latest >= 0, (split_at - latest) / DAY_S, np.nan)
    columns = [column[1:].astype(np.float64) for column in (count, mean, positive, days)]
    return HistoryFacts(*columns)


def item_facts(items: Sequence[ItemRow], until: int) -> ItemFacts:
    """Collect what the catalog says of its items at the moment of freezing."""
    published = [row.published_at.timestamp() if row.published_at else None for row in items]
    return ItemFacts(
        price=np.array([row.price for row in items], dtype=np.float64),
        sales=np.array([row.sales for row in items], dtype=np.float64),
        age_days=(until - np.array(published, dtype=np.float64)) / DAY_S,
        categories=[categories_of(row) for row in items],
    )
