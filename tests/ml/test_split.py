"""Splits: never the future in training, and the published leave-one-out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.split import by_time, leave_last_out, quantile, time_quantile
from tests.ml.worlds import make_interactions

EVENTS = st.lists(
    st.tuples(
        st.integers(1, 4), st.integers(1, 5), st.integers(0, 30), st.sampled_from([0.0, 0.5, 1.0])
    ),
    min_size=1,
    max_size=30,
).map(lambda rows: sorted(rows, key=lambda row: row[2]))


def test_a_tenth_of_ten_positives_is_the_last_one():
    data = make_interactions([(1, 1, t, 1.0) for t in range(10)])
    assert time_quantile(data, 0.1) == 9


def test_events_that_are_no_positives_do_not_move_the_split():
    rows = [(1, 1, t, 1.0) for t in range(10)] + [(1, 1, t, 0.0) for t in range(10, 90)]
    assert time_quantile(make_interactions(rows), 0.1) == 9


@pytest.mark.parametrize("share", [0, 1, -0.1, 2])
def test_a_share_outside_0_and_1_is_refused(share):
    with pytest.raises(ValueError, match="expected a share between 0 and 1"):
        quantile(np.array([1]), share)


def test_nothing_cannot_be_split():
    with pytest.raises(ValueError, match="no positive events"):
        time_quantile(make_interactions([(1, 1, 5, 0.0)]), 0.1)


@given(EVENTS, st.floats(0.01, 0.99))
def test_a_split_never_trains_on_the_future(rows, share):
    data = make_interactions(rows)
    if not (data.weight > 0).any():
        return
    split = time_quantile(data, share)
    train, test = by_time(data, split)
    assert len(train) + len(test) == len(data)
    assert train.time.max(initial=-1) < test.time.min()
    assert (test.weight > 0).any()


@given(EVENTS, st.floats(0.01, 0.99))
def test_the_later_part_holds_at_least_its_share_and_only_ties_more(rows, share):
    times = np.array([row[2] for row in rows])
    split = quantile(times, share)
    later, strictly = (times >= split).sum(), (times > split).sum()
    assert strictly <= len(times) * share + 1e-9
    assert later >= min(len(times), int(len(times) * share))


def test_the_last_positive_of_each_user_is_held_out():
    rows = [(1, 1, 0, 1.0), (2, 1, 1, 1.0), (1, 2, 2, 1.0), (2, 3, 3, 1.0), (1, 4, 4, 0.0)]
    train, test = leave_last_out(make_interactions(rows))
    assert test.item.tolist() == [2, 3]
    assert train.item.tolist() == [1, 1, 4]


def test_a_user_with_one_positive_stays_whole():
    train, test = leave_last_out(make_interactions([(1, 1, 0, 1.0), (1, 2, 1, 0.0)]))
    assert (len(train), len(test)) == (2, 0)


@given(EVENTS, st.integers(1, 3))
def test_holding_out_takes_n_of_each_user_and_the_latest(rows, n):
    data = make_interactions(rows)
    train, test = leave_last_out(data, n)
    for user in range(1, data.n_users + 1):
        positives = ((data.user == user) & (data.weight > 0)).sum()
        held = test.time[test.user == user]
        assert len(held) == (n if positives > n else 0)
        kept = train.time[(train.user == user) & (train.weight > 0)]
        assert not len(held) or held.min() >= kept.max()


def test_holding_out_nothing_is_refused():
    with pytest.raises(ValueError, match="n is 0"):
        leave_last_out(make_interactions([(1, 1, 0, 1.0)]), 0)
