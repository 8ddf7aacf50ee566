"""Predict the rating a person would give, with the uncertainty of that guess."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from recommender.ml.interactions import BoolArray, FloatArray, IntArray
from recommender.ml.scoring import History, Scorer

MIN_RATINGS = 3  # below, a person's own level is not known well enough to print a number
ITEM_SHRINKAGE = 10.0  # this many ratings of an item weigh as much as knowing nothing about it
PERSON_SHRINKAGE = 5.0
BATCH_USERS = 256


@dataclass(frozen=True)
class RatingModel:
    """Add item level + person's level + slope × how high the model ranks the item + intercept.

    Levels are shrunk means. `variance` holds a, b, c of the squared error's expectation
    a + b / (ratings of the person + 1) + c / (ratings of the item + 1).
    """

    item_level: FloatArray  # (M+1,) shrunk mean rating; row 0 = the mean over everything
    item_count: FloatArray  # (M+1,) ratings behind it
    history_level: float  # mean rating inside histories, which a person's own is compared with
    slope: float  # rating points for one standard deviation of score
    intercept: float
    variance: tuple[float, float, float]
    low: float  # the scale's ends
    high: float

    def predict(
        self, history_values: FloatArray, item: IntArray, z: FloatArray
    ) -> tuple[FloatArray, FloatArray] | None:
        """Return mean and standard deviation per item, both in rating points.

        Args:
            history_values: ratings in the person's history, NaN where an event has none, (n,).
            item: item numbers, shape (k,).
            z: `z_scores` of the person's whole score row, taken at these items, shape (k,).
        Returns: None when the history holds fewer than three ratings.
        """
        n = int(np.isfinite(history_values).sum())
        if n < MIN_RATINGS:
            return None
        person = _person_level(history_values, self.history_level)
        mean = self.item_level[item] + person + self.slope * z + self.intercept
        base, by_person, by_item = self.variance
        spread = base + by_person / (n + 1) + by_item / (self.item_count[item] + 1)
        return np.clip(mean, self.low, self.high), np.sqrt(spread)


@dataclass(frozen=True)
class Ratings:
    """Hold ratings as three aligned columns, in any order."""

    user: IntArray
    item: IntArray
    value: FloatArray


def z_scores(scores: FloatArray) -> FloatArray:
    """Express each row's finite scores in standard deviations from that row's mean.

    −inf (masked) entries stay −inf; a row whose scores are all equal becomes zeros.
    """
    finite = np.isfinite(scores)
    counted = np.where(finite, scores, 0.0)
    n = np.maximum(finite.sum(axis=-1, keepdims=True), 1)
    mean = counted.sum(axis=-1, keepdims=True) / n
    away = np.where(finite, counted - mean, 0.0)
    spread = np.sqrt((away**2).sum(axis=-1, keepdims=True) / n)
    # Equal scores differ from their own mean by rounding: that is no spread.
    rounding = 1e-6 * np.abs(counted).max(axis=-1, keepdims=True)
    z: FloatArray = np.where(spread > rounding, away / np.maximum(spread, 1e-300), 0.0)
    z = np.where(finite, z, -np.inf)
    return z


def fit_rating_model(
    train: Ratings,
    later: Ratings,
    histories: dict[int, History],
    scorer: Scorer,
) -> RatingModel | None:
    """Fit levels on `train`, then slope, intercept and uncertainty on `later` ratings.

    Args:
        train: all ratings that the model could learn from, low ones too.
        later: ratings of a window that `scorer` was not trained on.
        histories: the histories as they stood before that window, by user number.
    Returns: None when nobody with three ratings rated anything later: nothing to calibrate on.
    """
    levels, counts = _item_levels(train, scorer.n_items)
    in_histories = np.concatenate([[], *(history.values for history in histories.values())])
    history_level = float(np.nanmean(in_histories)) if np.isfinite(in_histories).any() else np.nan
    known = [
        user
        for user in np.unique(later.user).tolist()
        if user in histories and np.isfinite(histories[user].values).sum() >= MIN_RATINGS
    ]
    if not known:
        return None
    later = _only(later, np.isin(later.user, known))
    persons = {user: _person_level(histories[user].values, history_level) for user in known}
    person = np.array([persons[user] for user in later.user.tolist()])
    z = _later_z(later, known, histories, scorer)
    error = later.value - levels[later.item] - person
    slope, intercept = _line(z, error)
    n_person = np.array([np.isfinite(histories[user].values).sum() for user in later.user.tolist()])
    causes = np.stack([np.ones(len(z)), 1 / (n_person + 1), 1 / (counts[later.item] + 1)], axis=1)
    variance, _ = nnls(causes, (error - slope * z - intercept) ** 2)
    return RatingModel(
        item_level=levels,
        item_count=counts,
        history_level=history_level,
        slope=slope,
        intercept=intercept,
        variance=(float(variance[0]), float(variance[1]), float(variance[2])),
        low=float(train.value.min()),
        high=float(train.value.max()),
    )


def _item_levels(train: Ratings, n_items: int) -> tuple[FloatArray, FloatArray]:
    counts = np.bincount(train.item, minlength=n_items + 1).astype(np.float32)
    sums = np.bincount(train.item, weights=train.value, minlength=n_items + 1)
    mean = float(train.value.mean())
    levels = ((sums + ITEM_SHRINKAGE * mean) / (counts + ITEM_SHRINKAGE)).astype(np.float32)
    return levels, counts


def _person_level(values: FloatArray, history_level: float) -> float:
    rated = values[np.isfinite(values)]
    return float((rated - history_level).sum() / (len(rated) + PERSON_SHRINKAGE))


def _later_z(
    later: Ratings, users: Sequence[int], histories: dict[int, History], scorer: Scorer
) -> FloatArray:
    z = np.zeros(len(later.user))
    for start in range(0, len(users), BATCH_USERS):
        batch = users[start : start + BATCH_USERS]
        rows = z_scores(scorer.score([histories[user] for user in batch]))
        here = np.isin(later.user, batch)
        z[here] = rows[np.searchsorted(batch, later.user[here]), later.item[here]]
    return z


def _line(z: FloatArray, error: FloatArray) -> tuple[float, float]:
    """Fit error ≈ slope · z + intercept; a ranking that misleads gets slope 0, never less."""
    centered = z - z.mean()
    power = float((centered**2).sum())
    slope = max(0.0, float((centered * (error - error.mean())).sum()) / power) if power > 0 else 0.0
    return slope, float(error.mean() - slope * z.mean())


def _only(ratings: Ratings, mask: BoolArray) -> Ratings:
    return Ratings(ratings.user[mask], ratings.item[mask], ratings.value[mask])
