"""Work out from a snapshot who is judged on what: the later window, without looking at a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.catalog.models import Catalog
from recommender.catalog.rules import EventRule, rules_of, strength
from recommender.ml import evaluation as ml
from recommender.ml.evaluation import Cases, Setting
from recommender.ml.interactions import BoolArray, FloatArray, Interactions
from recommender.ml.metrics import popularity_share
from recommender.ml.scoring import unit_rows
from recommender.ml.visits import make_visits, sample
from recommender.prepare.services import OpenSnapshot

MOST_USERS = 10_000  # beyond, a seeded sample: the intervals are narrow enough by then
SEED = 1


@dataclass(frozen=True)
class Window:
    """All events, those before the split, and the visits after it that are judged."""

    data: Interactions
    train: Interactions
    cases: Cases
    setting: Setting
    since: int  # seconds since 1970 at which the window starts
    last: int  # and of the newest event
    taken: BoolArray  # (N,) events of the window that count as taken
    hiding: BoolArray  # (N,) events after which serving no longer shows the item


def open_window(opened: OpenSnapshot, catalog: Catalog) -> Window:
    """Split a snapshot in time and collect the visits of the later side.

    Relevant is what a user took later with an event of full weight (a rating from `liked_from`, a
    purchase, a like, a click where the catalog's rules count it), unless a later event of the
    window speaks against it (a low rating, a dismissal).
    """
    data = opened.interactions
    rules = rules_of(catalog)
    train = data.before(opened.split_at)
    in_window = data.time >= opened.split_at
    taken = np.zeros(len(data), dtype=np.bool_)
    taken[in_window] = is_taken(data.take(in_window), catalog, rules)
    hiding = _hides(data, rules)
    visits = make_visits(data, opened.split_at, taken, hiding)
    cases = sample(visits, MOST_USERS, SEED)
    setting = Setting(
        n_items=data.n_items,
        share=popularity_share(ml.distinct_users(train).astype(np.float64), data.n_users),
        vectors=common_space(data),
        seed=SEED,
    )
    return Window(
        data=data,
        train=train,
        cases=cases,
        setting=setting,
        since=opened.split_at,
        last=int(data.time[-1]),
        taken=taken,
        hiding=hiding,
    )


def is_taken(data: Interactions, catalog: Catalog, rules: dict[str, EventRule]) -> BoolArray:
    """Mark events of full weight that no later event of the same user and item takes back."""
    full, against = np.zeros(len(data), np.bool_), np.zeros(len(data), np.bool_)
    for number, name in enumerate(data.kinds):
        rule, own = rules.get(name), data.kind == number
        if rule is None:
            continue
        if rule.role != "rating":
            full |= own & (rule.weight > 0)
            against |= own & (rule.role == "negative")
            continue
        for value in np.unique(data.value[own]):
            given = own & (data.value == value)
            worth = strength(catalog, name, float(value))
            full |= given & (worth > 0) & (worth >= rule.weight)
            against |= given & (worth == 0)
    pair = data.user.astype(np.int64) * (data.n_items + 1) + data.item
    _, which = np.unique(pair, return_inverse=True)
    latest = np.full(len(which), -1, dtype=np.int64)
    np.maximum.at(latest, which[against], np.flatnonzero(against))
    return full & (np.arange(len(data)) > latest[which])


def common_space(data: Interactions) -> FloatArray:
    """Return (M+1, D) unit rows in which all models' diversity is measured alike.

    Content vectors where the catalog has them, else categories.
    """
    if data.content.shape[1]:
        return data.content if len(data.modalities) < 2 else unit_rows(data.content)
    names = data.item_feature_names
    hot = [column for column, name in enumerate(names) if name.startswith("category=")]
    rows = data.item_features[:, hot]
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)


def _hides(data: Interactions, rules: dict[str, EventRule]) -> BoolArray:
    """Mark events after which serving no longer shows the item."""
    hiding = [
        name in rules and (rules[name].marks_seen or rules[name].role in ("rating", "negative"))
        for name in data.kinds
    ]
    return np.asarray(np.array(hiding, dtype=np.bool_)[data.kind], dtype=np.bool_)
