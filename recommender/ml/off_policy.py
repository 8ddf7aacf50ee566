"""Estimate what another policy would have earned from the lists that this one drew.

n lists of K drawn places. Every estimate is a sum over places of a weighted mean of the rewards
there, self-normalized: the weights differ in what they assume of how people read a list.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.stats import Z95, Interval

# Below these an estimate is refused rather than shown with an interval that nobody should trust.
LEAST_USERS = 200
LEAST_ITEM_SAMPLE, LEAST_ITEM_SHARE = 100.0, 0.05  # effective lists; of all lists
LEAST_SLATE_SAMPLE = 50.0
MOST_OUTSIDE = 0.05  # of the target's choices, on items that were no candidates
MOST_BIAS = 3.0  # standard errors that a mean weight may lie from 1
MOST_OF_ONE = 0.05  # share of the sum of weights that one list may hold
MOST_FALLBACK = 0.10  # of the lists asked for, answered without the mixture
DISAGREEMENT = 2.0  # standard errors of the difference between the two readings


@dataclass(frozen=True)
class Lists:
    """What was drawn, what people did there, and how likely both policies were to draw it."""

    users: IntArray  # (n,) whose list it was
    rewards: FloatArray  # (n, K) what place k earned; NaN beyond the list's end
    logged: FloatArray  # (n, K) P(the item at its place) under the policy that drew
    target: FloatArray  # (n, K) the same under the policy in question
    logged_prefix: FloatArray  # (n, K) log P(the list down to here)
    target_prefix: FloatArray  # (n, K)
    outside: FloatArray  # (n,) share of the target's choices that were no candidates
    fallback_share: float = 0.0  # of all lists in the window that were not drawn

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together and lists that could not have been drawn."""
        shapes = {np.shape(each) for each in self._by_place}
        if len(shapes) != 1 or len(self.users) != len(self.rewards):
            raise ValueError(f"arrays of shapes {sorted(shapes)} for {len(self.users)} lists")
        shown = ~np.isnan(self.rewards)
        if (self.logged[shown] <= 0).any():
            raise ValueError("some logged places have no chance; only drawn lists can be weighed")

    @property
    def _by_place(self) -> tuple[FloatArray, ...]:
        return (
            self.rewards,
            self.logged,
            self.target,
            self.logged_prefix,
            self.target_prefix,
        )

    def item_weights(self) -> FloatArray:
        """Return (n, K) ratios of the chances of the item at its place; 0 beyond the end.

        Unbiased where a click depends on the item and its place alone (IIPS, Li et al. 2018).
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = self.target / self.logged
        return np.where(np.isnan(self.rewards), 0.0, ratios)

    def prefix_weights(self) -> FloatArray:
        """Return (n, K) ratios of the chances of the list down to each place; 0 beyond the end.

        Unbiased also where a click depends on what stands above (RIPS, McInerney et al. 2020).
        """
        ratios = np.exp(np.clip(self.target_prefix - self.logged_prefix, -700, 700))
        return np.where(np.isnan(self.rewards), 0.0, ratios)


@dataclass(frozen=True)
class Estimate:
    """What the target would have earned per list, and against what was earned, on these lists."""

    value: Interval
    difference: Interval  # to what was really earned, on the same lists
    sample: float  # how many lists of the target's own these lists are worth
    influence: FloatArray  # (n,) what each list adds; of mean 0
    is_biased: bool  # the mean weight is not 1: some propensity is wrong
    largest_share: float  # of the sum of weights at a place, held by one list


@dataclass(frozen=True)
class Card:
    """The two readings of one question, and what speaks against showing either."""

    by_item: Estimate
    by_prefix: Estimate
    earned: Interval  # what was really earned, per list
    n: int
    n_users: int
    outside: float
    refusals: tuple[str, ...]  # users, sample, outside, weights, fallback
    is_cascade: bool  # the readings disagree: places depend on what stands above

    @property
    def shown(self) -> Estimate:
        """Return the reading to show: by prefix where the readings disagree."""
        return self.by_prefix if self.is_cascade else self.by_item


def estimate(lists: Lists) -> Card:
    """Answer "what if the target had served", or say why that cannot be known.

    Intervals are sandwich estimates with lists clustered by user.
    Raises: ValueError without any list.
    """
    if not len(lists.users):
        raise ValueError("there is no list to weigh")
    by_item = weighed(lists, lists.item_weights())
    by_prefix = weighed(lists, lists.prefix_weights())
    gap = by_item.influence - by_prefix.influence
    apart = abs(by_item.value.value - by_prefix.value.value)
    gap_error = _clustered_error(gap, lists.users)
    is_cascade = bool(apart > DISAGREEMENT * gap_error) and apart > 1e-12
    n_users = len(np.unique(lists.users))
    return Card(
        by_item=by_item,
        by_prefix=by_prefix,
        earned=_interval(_earned(lists), _own_influence(lists), lists.users),
        n=len(lists.users),
        n_users=n_users,
        outside=float(lists.outside.mean()),
        refusals=tuple(_refusals(lists, by_item, by_prefix, is_cascade=is_cascade)),
        is_cascade=is_cascade,
    )


def weighed(lists: Lists, weights: FloatArray) -> Estimate:
    """Return Σ_k Σ_n w·y / Σ_n w with its interval and its effective sample.

    The effective sample is (Σ w)² / Σ w² at a place (Kish 1965), averaged over places.
    """
    rewards, shown = np.nan_to_num(lists.rewards), ~np.isnan(lists.rewards)
    sums = weights.sum(axis=0)
    means = np.divide(
        (weights * rewards).sum(axis=0), sums, out=np.zeros_like(sums), where=sums > 0
    )
    # A short list earns nothing at the places it lacks: each place counts by how often it is there.
    there = shown.mean(axis=0)
    scale = np.divide(len(weights) * there, sums, out=np.zeros_like(sums), where=sums > 0)
    influence = (weights * (rewards - means) * scale * shown).sum(axis=1)
    value = float((means * there).sum())
    squares = (weights**2).sum(axis=0)
    samples = np.divide(sums**2, squares, out=np.zeros_like(sums), where=squares > 0)
    difference = influence - _own_influence(lists)
    return Estimate(
        value=_interval(value, influence, lists.users),
        difference=_interval(value - _earned(lists), difference, lists.users),
        sample=float(samples[there > 0].mean()) if (there > 0).any() else 0.0,
        influence=influence,
        is_biased=_is_biased(weights, shown, lists.users),
        largest_share=float(np.max(weights.max(axis=0) / np.maximum(sums, 1e-300), initial=0.0)),
    )


def _earned(lists: Lists) -> float:
    return float(np.nan_to_num(lists.rewards).sum(axis=1).mean())


def _own_influence(lists: Lists) -> FloatArray:
    totals = np.nan_to_num(lists.rewards).sum(axis=1)
    return np.asarray(totals - totals.mean())


def _refusals(
    lists: Lists, by_item: Estimate, by_prefix: Estimate, *, is_cascade: bool
) -> list[str]:
    n = len(lists.users)
    is_thin = by_item.sample < max(LEAST_ITEM_SAMPLE, LEAST_ITEM_SHARE * n)
    if is_cascade:
        is_thin |= by_prefix.sample < LEAST_SLATE_SAMPLE
    shown = by_prefix if is_cascade else by_item
    found = {
        "users": len(np.unique(lists.users)) < LEAST_USERS,
        "sample": is_thin,
        "outside": float(lists.outside.mean()) > MOST_OUTSIDE,
        "weights": shown.is_biased or shown.largest_share > MOST_OF_ONE,
        "fallback": lists.fallback_share > MOST_FALLBACK,
    }
    return [name for name, is_found in found.items() if is_found]


def _is_biased(weights: FloatArray, shown: FloatArray, users: IntArray) -> bool:
    """Tell whether weights over all places have a mean that is not 1."""
    off = np.where(shown, weights - 1.0, 0.0).sum(axis=1)
    error = _clustered_error(off, users)
    return bool(error > 1e-12 and abs(off.mean()) > MOST_BIAS * error)


def _interval(value: float, influence: FloatArray, users: IntArray) -> Interval:
    half = Z95 * _clustered_error(influence, users)
    return Interval(value, value - half, value + half, len(np.unique(users)))


def _clustered_error(influence: FloatArray, users: IntArray) -> float:
    """Return the standard error of a mean of which lists of one user are not independent."""
    _, place = np.unique(users, return_inverse=True)
    sums = np.bincount(place, weights=influence)
    n_users = len(sums)
    correction = n_users / (n_users - 1) if n_users > 1 else 1.0
    return float(math.sqrt((sums**2).sum() * correction) / len(users))
