"""Figures, times and small lines in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from recommender.dashboard import words
from recommender.dashboard.sparkline import sparkline

NOON = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (102, "1:42"), (3723, "1:02:03"), (-5, "0:00")]
)
def test_clock_time(seconds: float, text: str):
    assert words.clock_time(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 second"), (59, "59 seconds"), (60, "1 minute"), (7_300, "2 hours"), (90_000, "1 day")],
)
def test_span(seconds: float, text: str):
    assert words.span(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0112, "+1.1 points"), (-0.02, "−2.0 points"), (0.0001, "±0.0 points")]
)
def test_points_carry_a_sign(value: float, text: str):
    assert words.points(value) == text


def test_what_is_undefined_is_a_dash():
    assert words.number(float("nan")) == "–"
    assert words.percent(None) == "–"
    assert words.between(None, 0.5) == ""
    assert words.moment(None) == "–"


def test_freshness_says_time_and_age():
    told = words.freshness(NOON - timedelta(minutes=2), NOON)
    assert told == "data up to 11:58 (2 minutes ago)"
    old = words.freshness(NOON - timedelta(days=2), NOON)
    assert old == "data up to 2026-03-13 12:00 (2 days ago)"
    assert words.freshness(None, NOON) == "no data yet"


def test_sizes():
    assert words.size(3_400_000) == "3.4 MB"
    assert words.size(900) == "0.9 kB"


def test_unknown_names_are_shown_as_they_are():
    assert words.word(words.MODELS, "my_model") == "my model"
    assert words.metric_name("ndcg@10") == "NDCG@10"


def test_a_sparkline_leaves_gaps_open():
    drawn = sparkline([1.0, None, 2.0, 3.0])
    assert drawn.count("M") == 2
    assert 'aria-hidden="true"' in drawn


def test_a_sparkline_stands_on_zero():
    assert "2.0,26.0" in sparkline([0.0, 5.0])
    assert "118.0,2.0" in sparkline([0.0, 5.0])


def test_an_unfinished_end_is_dashed():
    assert '<path class="spark-open" d="M' in sparkline([1.0, 2.0, 3.0], is_open=True)


def test_one_value_draws_no_line():
    assert sparkline([1.0]) == ""
    assert sparkline([None, float("nan")]) == ""
