"""Intervals: for shares, for means over users, and for paired differences of two models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recommender.ml.interactions import FloatArray

RESAMPLES = 1000
Z95 = 1.959963984540054  # 97.5 % quantile of the normal distribution
_CELLS = 2_000_000  # resampled entries held at once


@dataclass(frozen=True)
class Interval:
    """A value between two bounds, and how many users or trials it rests on; NaN is undefined."""

    value: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, float | int | None]:
        """Return plain numbers fit for JSON, `None` in the place of NaN."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        shown = {k: float(v) if math.isfinite(v) else None for k, v in numbers.items()}
        return {**shown, "n": self.n}


def wilson(successes: int, n: int, z: float = Z95) -> Interval:
    """Bound a share of successes; honest near 0 and 1 and for few trials, unlike ± z·s.e.

    Returns: NaN everywhere when n = 0, since nothing was tried.
    Raises: ValueError unless 0 ≤ successes ≤ n.
    Source: Wilson 1927, without continuity correction.

    >>> interval = wilson(0, 10)
    >>> interval.value, interval.low, round(interval.high, 3)
    (0.0, 0.0, 0.278)
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}; expected 0 ≤ successes ≤ n")
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    share = successes / n
    scale = 1 + z * z / n
    center = (share + z * z / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    low = 0.0 if successes == 0 else center - half
    high = 1.0 if successes == n else center + half
    return Interval(share, low, high, n)


def bootstrap_mean(values: FloatArray, seed: int, resamples: int = RESAMPLES) -> Interval:
    """Bound a mean over users by resampling users; NaN entries are users that cannot be judged.

    Returns: the 2.5 % and 97.5 % quantiles of the resampled means; NaN when nobody can be judged.
        One judged user gives low = value = high: nothing is known of the spread.
    Source: Efron 1979, percentile interval.
    """
    return bootstrap_means(np.asarray(values)[:, None], seed, resamples)[0]


def bootstrap_means(values: FloatArray, seed: int, resamples: int = RESAMPLES) -> list[Interval]:
    """Bound several means over the same users, each resample drawing the same users for all.

    Args:
        values: shape (n, m), one row a user, one column a metric; NaN where a user has none.
    Returns: m intervals.
    """
    table = np.asarray(values, dtype=np.float64)
    n, m = table.shape
    judged = ~np.isnan(table)
    filled = np.where(judged, table, 0.0)
    counts = judged.sum(axis=0)
    if n == 0:
        return [Interval(math.nan, math.nan, math.nan, 0)] * m
    means = _resampled_means(filled, judged.astype(np.float64), seed, resamples)
    intervals = []
    for column in range(m):
        if counts[column] == 0:
            intervals.append(Interval(math.nan, math.nan, math.nan, 0))
            continue
        low, high = np.nanquantile(means[:, column], [0.025, 0.975])
        value = filled[:, column].sum() / counts[column]
        intervals.append(Interval(float(value), float(low), float(high), int(counts[column])))
    return intervals


def paired_bootstrap(
    a: FloatArray, b: FloatArray, seed: int, resamples: int = RESAMPLES
) -> Interval:
    """Bound the mean of a − b over users that both judge; the pairing removes user-to-user noise.

    Raises: ValueError when the two do not hold the same users.
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} users against {len(b)}; a paired test needs the same users")
    return bootstrap_mean(np.asarray(a) - np.asarray(b), seed, resamples)


def grouped_jackknife(value: float, without: Sequence[float], n: int) -> Interval:
    """Bound a figure of a whole set of users (coverage, Gini) from leaving out one group each.

    A bootstrap would not do: drawing users with repetition shows fewer distinct items, so its
    figures lie beside the value instead of around it.

    Args:
        value: the figure over all n users.
        without: the figure with each of g ≥ 2 equal groups of users left out.
    Returns: value ± 1.96 s.e., not cut at any bound; low = value = high for fewer than 2 groups.
    Source: Kott 2001, delete-a-group jackknife.
    """
    groups = len(without)
    if groups < 2:
        return Interval(value, value, value, n)
    spread = np.asarray(without) - np.mean(without)
    error = math.sqrt((groups - 1) / groups * float(np.sum(spread**2)))
    return Interval(value, value - Z95 * error, value + Z95 * error, n)


def _resampled_means(
    filled: FloatArray, judged: FloatArray, seed: int, resamples: int
) -> FloatArray:
    """Return (resamples, m) means; NaN where a resample holds nobody that can be judged."""
    n = len(filled)
    rng = np.random.default_rng(seed)
    chunk = max(1, _CELLS // n)
    parts = []
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        drawn = rng.integers(0, n, size=(rows, n)) + np.arange(rows)[:, None] * n
        times = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        times = times.astype(np.float64)  # (rows, n): how often each user was drawn
        with np.errstate(invalid="ignore"):
            parts.append((times @ filled) / (times @ judged))
    return np.concatenate(parts)
