"""Cleaning: every reason to drop an event, and that no later event is ever a reason."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.prepare import clean as cleaning
from recommender.prepare.clean import Cleaned, Rules, clean, strengths_of, supersede
from recommender.prepare.read import EventTable

TYPES = ("click", "dwell", "purchase", "rating")
CLICK, DWELL, PURCHASE, RATING = range(4)
STARS = {1.0: 0.0, 2.0: 0.0, 3.0: 0.5, 4.0: 1.0, 5.0: 1.0}
RULES = Rules(
    types=TYPES,
    is_rating=np.array([False, False, False, True]),
    marks_seen=np.array([False, False, True, True]),
    on_scale=dict.fromkeys(STARS, True) | {0.0: False, 7.0: False},
    strengths={(CLICK, 0.0): 0.3, (DWELL, 0.0): 0.3, (PURCHASE, 0.0): 1.0}
    | {(RATING, value): worth for value, worth in (STARS | {0.0: 0.0, 7.0: 0.0}).items()},
)
ITEMS = np.array([0, 1, 2, 3])
NOON = 1_000_000 * 86_400 // 86_400 * 86_400 + 43_200  # the middle of a day


def table_of(*rows):
    """Build from (type, user, item, value, seconds after noon[, {column: value}]) rows."""
    full = [(*row, {})[:6] for row in rows]
    times = np.array([NOON + row[4] for row in full], dtype=np.int64)
    return EventTable(
        type=np.array([row[0] for row in full], dtype=np.int16),
        user=np.array([row[1] for row in full], dtype=np.int64),
        item=np.array([row[2] for row in full], dtype=np.int64),
        value=np.array([row[3] for row in full], dtype=np.float64),
        occurred=times,
        received=np.array(
            [t + row[5].get("lag", 0) for t, row in zip(times, full, strict=True)], dtype=np.int64
        ),
        trust=np.array([row[5].get("trust", 1.0) for row in full], dtype=np.float64),
        simulated=np.zeros(len(full), dtype=np.bool_),
        types=TYPES,
    )


def dropped(*rows):
    return clean(table_of(*rows), RULES, ITEMS).dropped


def test_clean_events_stay_and_weigh_what_the_rules_say():
    cleaned = clean(
        table_of((CLICK, 1, 1, np.nan, 0), (RATING, 1, 2, 3.0, 9), (RATING, 2, 1, 2.0, 19)),
        RULES,
        ITEMS,
    )
    assert cleaned.dropped == {}
    assert cleaned.weight.tolist() == [0.3, 0.5, 0.0]


def test_no_events_are_no_problem():
    cleaned = supersede(clean(table_of(), RULES, ITEMS), RULES, NOON)
    assert (len(cleaned.table), cleaned.dropped) == (0, {})


@pytest.mark.parametrize(
    ("reason", "row"),
    [
        ("orphan", (CLICK, 1, 0, np.nan, 0)),
        ("orphan", (CLICK, 1, 9, np.nan, 0)),
        ("impossible_value", (RATING, 1, 1, 7.0, 0)),
        ("impossible_value", (RATING, 1, 1, np.nan, 0)),
        ("impossible_value", (DWELL, 1, 1, -1.0, 0)),
        ("impossible_value", (DWELL, 1, 1, 90_000.0, 0)),
        ("impossible_value", (PURCHASE, 1, 1, -0.01, 0)),
        ("impossible_value", (CLICK, 1, 1, np.inf, 0)),
        ("clock_skew", (CLICK, 1, 1, np.nan, 0, {"lag": -301})),
        ("robot", (CLICK, 1, 1, np.nan, 0, {"trust": 0.29})),
    ],
)
def test_a_bad_event_is_dropped_for_its_reason(reason, row):
    assert dropped(row, (CLICK, 2, 2, np.nan, 0)) == {reason: 1}


@pytest.mark.parametrize(
    "row",
    [
        (DWELL, 1, 1, 0.0, 0),
        (DWELL, 1, 1, np.nan, 0),
        (PURCHASE, 1, 1, 0.0, 0),
        (CLICK, 1, 1, np.nan, 0, {"trust": 0.3}),
    ],
)
def test_an_odd_but_possible_event_stays(row):
    assert dropped(row) == {}


def test_a_clock_a_little_ahead_is_set_back_to_the_arrival():
    table = table_of((CLICK, 1, 1, np.nan, 0, {"lag": -300}), (CLICK, 2, 2, np.nan, -200))
    cleaned = clean(table, RULES, ITEMS)
    assert cleaned.table.user.tolist() == [1, 2]
    assert cleaned.table.occurred.tolist() == [NOON - 300, NOON - 200]


def test_the_same_event_within_a_second_counts_once():
    assert dropped(
        (CLICK, 1, 1, np.nan, 0), (CLICK, 1, 1, np.nan, 1), (CLICK, 1, 1, np.nan, 3)
    ) == {"duplicate": 1}


def test_another_user_item_type_or_value_is_no_duplicate():
    rows = [(CLICK, 1, 1, np.nan, 0), (CLICK, 2, 1, np.nan, 0), (CLICK, 1, 2, np.nan, 0)]
    rows += [(DWELL, 1, 1, 3.0, 0), (RATING, 1, 1, 2.0, 0), (RATING, 1, 1, 1.0, 1)]
    assert dropped(*rows) == {}


def test_a_burst_no_hand_could_send_is_cut_off(monkeypatch):
    monkeypatch.setattr(cleaning, "ROBOT_PER_MINUTE", 3)
    rows = [(RATING, 1, 1 + n % 3, 1.0 + n % 2, n * 10) for n in range(7)]
    cleaned = clean(table_of(*rows, (CLICK, 2, 1, np.nan, 70)), RULES, ITEMS)
    assert cleaned.dropped == {"robot": 4}
    assert cleaned.table.occurred.tolist() == [NOON, NOON + 10, NOON + 20, NOON + 70]


def test_a_minute_is_over_after_60_seconds(monkeypatch):
    monkeypatch.setattr(cleaning, "ROBOT_PER_MINUTE", 1)
    assert dropped((CLICK, 1, 1, np.nan, 0), (CLICK, 1, 2, np.nan, 60)) == {}
    assert dropped((CLICK, 1, 1, np.nan, 0), (CLICK, 1, 2, np.nan, 59)) == {"robot": 1}


def test_one_user_weighs_at_most_1_per_item_and_day():
    rows = [(CLICK, 1, 1, np.nan, 10 * n) for n in range(5)]
    cleaned = clean(table_of(*rows), RULES, ITEMS)
    np.testing.assert_allclose(cleaned.weight, [0.3, 0.3, 0.3, 0.1])
    assert cleaned.dropped == {"daily_cap": 1}


def test_the_next_day_counts_anew_and_so_does_the_next_item():
    rows = [(PURCHASE, 1, 1, np.nan, 0), (PURCHASE, 1, 2, np.nan, 5)]
    rows += [(PURCHASE, 1, 1, np.nan, 86_400), (PURCHASE, 2, 1, np.nan, 86_401)]
    assert clean(table_of(*rows), RULES, ITEMS).weight.tolist() == [1, 1, 1, 1]


def test_a_rating_after_a_purchase_keeps_its_value():
    rows = [(PURCHASE, 1, 1, np.nan, 0), (CLICK, 1, 1, np.nan, 5), (RATING, 1, 1, 5.0, 10)]
    cleaned = clean(table_of(*rows), RULES, ITEMS)
    assert cleaned.weight.tolist() == [1, cleaning.LEAST_WEIGHT]
    assert cleaned.table.value.tolist()[1] == 5.0


def test_a_low_rating_is_known_but_no_positive():
    rows = [(CLICK, 1, 1, np.nan, 0), (RATING, 1, 1, 1.0, 10)]
    assert clean(table_of(*rows), RULES, ITEMS).weight.tolist() == [0.3, 0.0]


def test_the_latest_rating_of_each_side_of_the_split_counts():
    rows = [(RATING, 1, 1, float(stars), 10 * stars) for stars in (1, 2, 3, 4)]
    rows.append((RATING, 2, 1, 5.0, 15))
    table = table_of(*sorted(rows, key=lambda row: row[4]))
    state = supersede(Cleaned(table, strengths_of(table, RULES)), RULES, NOON + 25)
    assert state.table.value.tolist() == [5.0, 2.0, 4.0]
    assert state.dropped == {"superseded": 2}


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(1, 2),
        st.integers(0, 3),
        st.sampled_from([np.nan, -1.0, 1.0, 3.0, 5.0, 7.0]),
        st.integers(0, 200),
    ),
    max_size=25,
).map(lambda rows: sorted(rows, key=lambda row: row[4]))


@given(EVENTS, st.integers(0, 200))
def test_no_later_event_changes_what_is_learned(rows, split):  # T-LEAK
    whole = clean(table_of(*rows), RULES, ITEMS)
    whole = supersede(whole, RULES, NOON + split)
    alone = clean(table_of(*(row for row in rows if row[4] < split)), RULES, ITEMS)
    alone = supersede(alone, RULES, NOON + split)
    past = whole.table.occurred < NOON + split
    assert whole.weight[past].tolist() == alone.weight.tolist()
    for name in ("type", "user", "item", "occurred"):
        assert getattr(whole.table, name)[past].tolist() == getattr(alone.table, name).tolist()


@given(EVENTS)
def test_what_is_dropped_and_what_is_kept_add_up(rows):
    cleaned = clean(table_of(*rows), RULES, ITEMS)
    assert len(cleaned.table) + sum(cleaned.dropped.values()) == len(rows)
    totals = {}
    for user, item, weight in zip(
        cleaned.table.user, cleaned.table.item, cleaned.weight, strict=True
    ):
        totals[user, item] = totals.get((user, item), 0) + weight
    assert all(total <= 1 + cleaning.LEAST_WEIGHT * len(rows) for total in totals.values())
