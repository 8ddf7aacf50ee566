"""What an event says beside its item."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.scoring import History, pack
from recommender.ml.tokens import N_GAPS, N_KINDS, gap_buckets, kind_slot, rating_units

USUAL = ("rating", "purchase", "click", "view", "like", "dismiss", "cart", "share", "want", "play")


def history(n):
    """Return n events, each twice as long after the one before."""
    return History(
        items=np.arange(1, n + 1),
        weights=np.ones(n, np.float32),
        values=np.linspace(1, 5, n).astype(np.float32),
        times=1000 + 2 ** np.arange(n),
        features=np.zeros(0, np.float32),
        kinds=np.arange(1, n + 1),
    )


@given(st.lists(st.integers(0, 4_000_000_000), max_size=20))
def test_buckets_stay_in_range_and_only_the_first_is_unknown(times):
    buckets = gap_buckets(np.sort(np.array(times, np.int64)))
    assert (buckets[:1] == 0).all()
    assert ((buckets[1:] >= 1) & (buckets[1:] < N_GAPS)).all()


def test_a_longer_pause_never_has_a_smaller_bucket():
    buckets = [gap_buckets(np.array([0, pause]))[1] for pause in range(5000)]
    assert all(earlier <= later for earlier, later in pairwise(buckets))


def test_a_clock_that_fell_back_counts_as_no_pause():
    assert gap_buckets(np.array([50, 20])).tolist() == [0, 1]


def test_the_usual_types_of_events_have_slots_of_their_own():
    slots = {kind_slot(name) for name in USUAL}
    assert len(slots) == len(USUAL)
    assert all(0 < slot < N_KINDS for slot in slots)


@given(low=st.floats(-1_000, 1_000), width=st.floats(0.5, 1_000))
def test_the_ends_of_any_scale_but_five_stars_count_minus_one_and_one(low, width):
    high = low + width
    middle, half = rating_units((low, high))
    if high != 5.0 or not 0 <= low <= 1:
        assert (low - middle) / half == pytest.approx(-1)
        assert (high - middle) / half == pytest.approx(1)
    assert middle <= high
    assert half > 0


@pytest.mark.parametrize(
    ("scale", "units"),
    [
        ((1, 5), (3, 2)),
        ((0.5, 5), (3, 2)),
        ((0, 5), (3, 2)),
        ((2, 5), (3.5, 1.5)),
        ((0, 1), (0.5, 0.5)),
        ((1, 10), (5.5, 4.5)),
        ((0, 100), (50, 50)),
    ],
)
def test_five_stars_count_from_three_and_others_from_their_middle(scale, units):
    assert rating_units(scale) == units


def test_a_cut_history_keeps_its_oldest_pause():
    packed = pack([history(6)], 2, np.zeros(0, np.float32))
    assert packed["gaps"].tolist() == [gap_buckets(history(6).times)[-2:].tolist()]
    assert packed["kinds"].tolist() == [[5, 6]]
    assert packed["values"].tolist() == [[history(6).values[4], 5.0]]


def test_a_history_without_types_is_packed_as_unknown():
    plain = History.empty()
    packed = pack([plain, history(1)], 3, np.zeros(0, np.float32))
    assert packed["kinds"].tolist() == [[0], [1]]
    assert np.isnan(packed["values"][0, 0])


def test_leaving_an_event_out_joins_its_pauses():
    without = history(4).without(1)
    assert without.times.tolist() == [1001, 1004, 1008]
    assert without.kinds.tolist() == [1, 3, 4]
