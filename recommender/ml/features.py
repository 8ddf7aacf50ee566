"""Turn what is known of users and items into numbers, the same way in training and in serving.

`fit_spec` learns scales and vocabularies once, from training data; the frozen `FeatureSpec` goes
into the snapshot and from there into the artifact, so serving computes the very same columns. A
missing value becomes 0, the mean of a scaled column, with a flag column beside it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recommender.ml.interactions import FloatArray

MOST_GENDERS = 8
MOST_OCCUPATIONS = 32
MOST_CATEGORIES = 64
OLDEST = 120  # an age beyond is an error of entry
_GENDERS = {"f": "F", "female": "F", "woman": "F", "m": "M", "male": "M", "man": "M"}
_USER_SCALES = ("age", "log_rating_count", "rating_mean", "log_positive_count", "log_days_since")
_ITEM_SCALES = ("log_price", "log_sales", "log_age_days")


@dataclass(frozen=True)
class HistoryFacts:
    """What is known of n users' pasts at one moment; NaN where there is nothing to know."""

    rating_count: FloatArray  # (n,)
    rating_mean: FloatArray  # (n,) NaN without ratings
    positive_count: FloatArray  # (n,)
    days_since: FloatArray  # (n,) days since the last event, NaN without events

    @classmethod
    def of_one(
        cls, rating_count: float, rating_mean: float, positive_count: float, days_since: float
    ) -> HistoryFacts:
        """Hold one user's facts, as `UserState` keeps them."""
        numbers = (rating_count, rating_mean, positive_count, days_since)
        return cls(*(np.array([number], dtype=np.float64) for number in numbers))


@dataclass(frozen=True)
class ItemFacts:
    """What is known of m items *at the moment of asking*: counters such as sales grow later.

    A snapshot keeps today's counters, so training on an older event sees a later sales figure.
    Use them as rough levels (they enter as logarithms), never as labels.
    """

    price: FloatArray  # (m,) NaN where unknown
    sales: FloatArray  # (m,)
    age_days: FloatArray  # (m,) days since publication, negative before it
    categories: Sequence[Sequence[str]]


@dataclass(frozen=True)
class FeatureSpec:
    """Scales and vocabularies, fitted once. `scales` maps a column to its mean and deviation."""

    scales: Mapping[str, tuple[float, float]]
    genders: tuple[str, ...]
    occupations: tuple[str, ...]
    categories: tuple[str, ...]

    @property
    def user_names(self) -> tuple[str, ...]:
        """Name the columns of `user_matrix`."""
        flags = ("age_missing", "rating_mean_missing", "days_since_missing")
        return (
            *_USER_SCALES,
            *flags,
            *_one_hot_names("gender", self.genders),
            *_one_hot_names("occupation", self.occupations),
        )

    @property
    def item_names(self) -> tuple[str, ...]:
        """Name the columns of `item_matrix`."""
        flags = ("price_missing", "sales_missing", "age_missing")
        return (*_ITEM_SCALES, *flags, *(f"category={name}" for name in self.categories))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values fit for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> FeatureSpec:
        """Read what `as_dict` wrote."""
        return cls(
            scales={name: (float(a), float(b)) for name, (a, b) in plain["scales"].items()},
            genders=tuple(plain["genders"]),
            occupations=tuple(plain["occupations"]),
            categories=tuple(plain["categories"]),
        )


def fit_spec(
    attributes: Sequence[Mapping[str, Any]], facts: HistoryFacts, items: ItemFacts
) -> FeatureSpec:
    """Learn scales and vocabularies from the training part.

    Rare words stay out: genders beyond 8, occupations beyond 32, categories beyond 64, by number
    of users or items; equal counts by name. They count as unknown.
    """
    columns = _user_columns(attributes, facts) | _item_columns(items)
    return FeatureSpec(
        scales={name: _scale(values) for name, values in columns.items()},
        genders=_most_frequent(map(gender_of, attributes), MOST_GENDERS),
        occupations=_most_frequent(map(_occupation_of, attributes), MOST_OCCUPATIONS),
        categories=_most_frequent(
            (name for names in items.categories for name in dict.fromkeys(names)), MOST_CATEGORIES
        ),
    )


def user_matrix(
    spec: FeatureSpec, attributes: Sequence[Mapping[str, Any]], facts: HistoryFacts
) -> FloatArray:
    """Return (n, F_u) float32, the columns named by `spec.user_names`; always finite."""
    columns = _user_columns(attributes, facts)
    scaled = [_scaled(columns[name], spec.scales[name]) for name in _USER_SCALES]
    flags = [np.isnan(columns[name]) for name in ("age", "rating_mean", "log_days_since")]
    parts = [
        *(column[:, None] for column in (*scaled, *flags)),
        _one_hot([gender_of(a) for a in attributes], spec.genders),
        _one_hot([_occupation_of(a) for a in attributes], spec.occupations),
    ]
    return np.hstack(parts).astype(np.float32)


def user_vector(
    spec: FeatureSpec, attributes: Mapping[str, Any], facts: HistoryFacts
) -> FloatArray:
    """Return one user's (F_u,) row, for serving; `facts` from `HistoryFacts.of_one`."""
    row: FloatArray = user_matrix(spec, [attributes], facts)[0]
    return row


def item_matrix(spec: FeatureSpec, items: ItemFacts) -> FloatArray:
    """Return (m, F_i) float32, the columns named by `spec.item_names`; always finite."""
    columns = _item_columns(items)
    scaled = [_scaled(columns[name], spec.scales[name]) for name in _ITEM_SCALES]
    flags = [np.isnan(columns[name]) for name in _ITEM_SCALES]
    place = {name: number for number, name in enumerate(spec.categories)}
    hot = np.zeros((len(items.categories), len(place)))
    for row, names in enumerate(items.categories):
        hot[row, [place[name] for name in names if name in place]] = 1.0
    parts = [*(column[:, None] for column in (*scaled, *flags)), hot]
    return np.hstack(parts).astype(np.float32)


def translate_users(rows: FloatArray, spec: FeatureSpec, wanted: FeatureSpec) -> FloatArray:
    """Turn rows of one spec's columns into another's: an older model reads its own scales.

    Args:
        rows: (n, F_u) as `user_matrix(spec, …)` gave them.
    Returns: (n, F of `wanted`); a word that only `wanted` knows is never set.
    """
    if spec == wanted:
        return rows
    given = dict(zip(spec.user_names, rows.T.astype(np.float64), strict=True))
    missing = {"age": "age_missing", "rating_mean": "rating_mean_missing"}
    missing["log_days_since"] = "days_since_missing"
    columns: dict[str, FloatArray] = {}
    for name in _USER_SCALES:
        mean, deviation = spec.scales[name]
        raw = given[name] * deviation + mean
        if name in missing:
            raw = np.where(given[missing[name]] > 0, np.nan, raw)
        columns[name] = _scaled(raw, wanted.scales[name])
    columns |= {flag: given[flag] for flag in missing.values()}
    for group, words in (("gender", wanted.genders), ("occupation", wanted.occupations)):
        known = {f"{group}={w}": given.get(f"{group}={w}", np.zeros(len(rows))) for w in words}
        columns |= known | {f"{group}=unknown": 1.0 - sum(known.values())}
    return np.stack([columns[name] for name in wanted.user_names], axis=1).astype(np.float32)


def as_of_now(rows: FloatArray, spec: FeatureSpec) -> FloatArray:
    """Return user rows as serving sees them: whoever asks for a list is active today."""
    names = spec.user_names
    present = rows.copy()
    known = rows[:, names.index("days_since_missing")] == 0
    today = _scaled(np.zeros(1), spec.scales["log_days_since"])[0]
    present[known, names.index("log_days_since")] = today
    return present


def age_of(attributes: Mapping[str, Any]) -> float:
    """Return a believable age in years, else NaN.

    >>> age_of({"age": "34"}), age_of({"age": 400}), age_of({})
    (34.0, nan, nan)
    """
    try:
        age = float(attributes.get("age", math.nan))
    except (TypeError, ValueError):
        return math.nan
    return age if 0 < age <= OLDEST else math.nan


def gender_of(attributes: Mapping[str, Any]) -> str:
    """Return F, M or the word given, in lower case; empty when nothing is given.

    >>> gender_of({"gender": " female"}), gender_of({"gender": "Nonbinary"}), gender_of({})
    ('F', 'nonbinary', '')
    """
    word = str(attributes.get("gender") or "").strip().lower()
    return _GENDERS.get(word, word)


def _occupation_of(attributes: Mapping[str, Any]) -> str:
    return str(attributes.get("occupation") or "").strip().lower()


def _user_columns(
    attributes: Sequence[Mapping[str, Any]], facts: HistoryFacts
) -> dict[str, FloatArray]:
    return {
        "age": np.array([age_of(a) for a in attributes], dtype=np.float64),
        "log_rating_count": np.log1p(facts.rating_count),
        "rating_mean": np.asarray(facts.rating_mean, dtype=np.float64),
        "log_positive_count": np.log1p(facts.positive_count),
        "log_days_since": np.log1p(np.maximum(facts.days_since, 0.0)),
    }


def _item_columns(items: ItemFacts) -> dict[str, FloatArray]:
    return {
        "log_price": np.log1p(np.maximum(items.price, 0.0)),
        "log_sales": np.log1p(np.maximum(items.sales, 0.0)),
        "log_age_days": np.log1p(np.maximum(items.age_days, 0.0)),
    }


def _scale(values: FloatArray) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if not len(known):
        return 0.0, 1.0
    deviation = float(known.std())
    return float(known.mean()), deviation if deviation > 1e-9 else 1.0


def _scaled(values: FloatArray, scale: tuple[float, float]) -> FloatArray:
    mean, deviation = scale
    # Ten deviations bound what one absurd entry can do to a model.
    scaled: FloatArray = np.clip(np.nan_to_num((values - mean) / deviation), -10.0, 10.0)
    return scaled


def _most_frequent(words: Iterable[str], most: int) -> tuple[str, ...]:
    counts = Counter(word for word in words if word)
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return tuple(ranked[:most])


def _one_hot_names(name: str, words: tuple[str, ...]) -> tuple[str, ...]:
    return (*(f"{name}={word}" for word in words), f"{name}=unknown") if words else ()


def _one_hot(words: Sequence[str], vocabulary: tuple[str, ...]) -> FloatArray:
    """Return (n, len(vocabulary) + 1), the last column for words outside; no column for none."""
    if not vocabulary:
        return np.zeros((len(words), 0))
    place = {word: number for number, word in enumerate(vocabulary)}
    hot = np.zeros((len(words), len(vocabulary) + 1))
    hot[np.arange(len(words)), [place.get(word, len(vocabulary)) for word in words]] = 1.0
    return hot
