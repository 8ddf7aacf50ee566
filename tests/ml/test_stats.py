"""Intervals: known values, edge cases, and that they cover what they claim to cover."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.stats import (
    bootstrap_mean,
    bootstrap_means,
    grouped_jackknife,
    paired_bootstrap,
    wilson,
)


def test_wilson_as_published():
    # Newcombe 1998, table I, method 3: 81 of 263 gives .2553 to .3662.
    interval = wilson(81, 263)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)
    assert interval.value == 81 / 263


def test_wilson_at_the_ends_stays_within_0_and_1():
    assert (wilson(0, 20).low, wilson(20, 20).high) == (0.0, 1.0)
    assert wilson(0, 20).high == pytest.approx(0.1611, abs=1e-4)  # Newcombe 1998: .1611


def test_wilson_of_no_trials_is_undefined():
    assert math.isnan(wilson(0, 0).value)
    assert wilson(0, 0).as_dict() == {"value": None, "low": None, "high": None, "n": 0}


def test_more_successes_than_trials_are_refused():
    with pytest.raises(ValueError, match="3 successes of 2"):
        wilson(3, 2)


@given(st.integers(1, 500), st.data())
def test_wilson_holds_its_own_value(n, data):
    interval = wilson(data.draw(st.integers(0, n)), n)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).random(50)
    assert bootstrap_mean(values, 7) == bootstrap_mean(values, 7)
    assert bootstrap_mean(values, 7) != bootstrap_mean(values, 8)


def test_users_that_cannot_be_judged_are_left_out():
    interval = bootstrap_mean(np.array([1.0, np.nan, 3.0]), 1)
    assert (interval.value, interval.n) == (2.0, 2)


def test_nobody_and_one_user():
    assert math.isnan(bootstrap_mean(np.array([]), 1).value)
    assert math.isnan(bootstrap_mean(np.array([np.nan]), 1).low)
    only = bootstrap_mean(np.array([0.25]), 1)
    assert (only.low, only.value, only.high) == (0.25, 0.25, 0.25)


def test_bootstrap_covers_the_true_mean_about_19_times_in_20():
    rng = np.random.default_rng(1)
    worlds = [bootstrap_mean(rng.exponential(1.0, 80), seed) for seed in range(200)]
    covered = np.mean([interval.low <= 1.0 <= interval.high for interval in worlds])
    assert 0.89 <= covered <= 0.99


def test_bootstrap_is_as_wide_as_theory_says():
    values = np.random.default_rng(2).normal(0, 1, 400)
    interval = bootstrap_mean(values, 1, resamples=4000)
    width = 2 * 1.96 * values.std() / math.sqrt(400)
    assert interval.high - interval.low == pytest.approx(width, rel=0.05)


def test_columns_are_bounded_as_if_each_were_alone():
    table = np.random.default_rng(3).random((30, 2))
    both = bootstrap_means(table, 5)
    assert both[1].value == bootstrap_mean(table[:, 1], 5).value
    assert both[1].low == pytest.approx(bootstrap_mean(table[:, 1], 5).low, abs=1e-12)


def test_resampling_in_chunks_changes_nothing(monkeypatch):
    values = np.random.default_rng(4).random(20)
    whole = bootstrap_mean(values, 1)
    monkeypatch.setattr("recommender.ml.stats._CELLS", 20 * 7)
    chunked = bootstrap_mean(values, 1)
    assert (whole.low, whole.high) == pytest.approx((chunked.low, chunked.high), abs=1e-12)


def test_pairing_finds_a_difference_that_users_hide():
    rng = np.random.default_rng(5)
    users = rng.random(100)  # users differ far more than the two models do
    better, worse = users + 0.02 + rng.normal(0, 0.02, 100), users + rng.normal(0, 0.02, 100)
    paired = paired_bootstrap(better, worse, 1)
    assert paired.low > 0
    assert bootstrap_mean(better, 1).low < bootstrap_mean(worse, 1).high


def test_a_model_does_not_beat_itself():
    values = np.random.default_rng(6).random(40)
    interval = paired_bootstrap(values, values, 1)
    assert (interval.low, interval.value, interval.high) == (0, 0, 0)


def test_a_paired_test_needs_the_same_users():
    with pytest.raises(ValueError, match="2 users against 3"):
        paired_bootstrap(np.zeros(2), np.zeros(3), 1)


def test_jackknife_of_a_mean_is_the_textbook_error():
    values = np.random.default_rng(7).random(12)
    without = [np.delete(values, i).mean() for i in range(12)]
    interval = grouped_jackknife(values.mean(), without, 12)
    error = values.std(ddof=1) / math.sqrt(12)
    assert interval.high - interval.value == pytest.approx(1.959964 * error, rel=1e-6)


def test_jackknife_of_too_few_groups_claims_no_spread():
    interval = grouped_jackknife(0.5, [0.4], 1)
    assert (interval.low, interval.high, interval.n) == (0.5, 0.5, 1)
