"""Holding items out of training: the same ones every time, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.cold import hold_out, without_items
from tests.ml.worlds import make_interactions


def touched(items, *, n_items=None, weight=1.0):
    return make_interactions(
        [(1, item, time, weight) for time, item in enumerate(items)], n_users=1, n_items=n_items
    )


def test_about_the_share_is_held_out():
    held = hold_out(touched(range(1, 20_001)), 0.05)
    assert 0.045 < len(held) / 20_000 < 0.055
    assert np.all(np.diff(held) > 0)


def test_what_is_held_out_stays_so_when_a_catalog_grows():
    before = hold_out(touched(range(1, 500)), 0.1)
    after = hold_out(touched(range(1, 1000)), 0.1)
    assert after[after < 500].tolist() == before.tolist()


def test_another_seed_holds_out_others():
    data = touched(range(1, 1000))
    assert hold_out(data, 0.1, 1).tolist() != hold_out(data, 0.1, 2).tolist()


def test_a_larger_share_holds_out_the_same_and_more():
    data = touched(range(1, 1000))
    assert set(hold_out(data, 0.05)) < set(hold_out(data, 0.1))


def test_only_items_with_a_positive_event_are_drawn():
    data = touched([1, 2, 3], n_items=500)
    assert set(hold_out(data, 0.999)) <= {1, 2, 3}
    assert not len(hold_out(touched(range(1, 500), weight=0.0), 0.999))


def test_no_share_holds_out_nothing():
    assert not len(hold_out(touched(range(1, 1000)), 0.0))


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_outside_0_to_1_is_refused(share):
    with pytest.raises(ValueError, match="expected 0"):
        hold_out(touched([1]), share)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.floats(0, 0.99))
def test_nothing_of_the_held_out_remains_and_all_else_does(items, share):
    data = touched(items, n_items=60)
    held = hold_out(data, share)
    kept = without_items(data, held)
    assert not set(kept.item) & set(held)
    assert kept.item.tolist() == [item for item in items if item not in held]
    assert (kept.n_items, kept.n_users) == (60, 1)
