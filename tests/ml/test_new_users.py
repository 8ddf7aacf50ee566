"""Newcomers: exactly their first events are read, and only what followed is asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.new_users import beginnings_of, limited, make_new_user_cases
from tests.ml.worlds import make_interactions

SINCE = 100


def cases_of(rows, n, **marks):
    data = make_interactions(rows, n_users=9, n_items=60)
    taken = marks.get("taken", data.weight > 0) & (data.time >= SINCE)
    hiding = marks.get("hiding", np.ones(len(data), np.bool_))
    return data, make_new_user_cases(data, SINCE, taken, hiding, n)


# User 1 begins in the window, user 2 had one event before it, user 3 had four.
ROWS = [
    *[(3, item, item, 1.0) for item in (1, 2, 3, 4)],
    (2, 5, 50, 1.0),
    *[(1, 10 + n, 110 + n, 1.0) for n in range(6)],
    *[(2, 20 + n, 120 + n, 1.0) for n in range(3)],
    *[(3, 30 + n, 130 + n, 1.0) for n in range(2)],
]


@pytest.mark.parametrize(
    ("n", "users", "wanted"),
    [
        (1, [1, 2], [[11, 12, 13, 14, 15], [20, 21, 22]]),
        (3, [1, 2], [[13, 14, 15], [22]]),
        (5, [1, 3], [[15], [31]]),  # user 2 has only four events, and nothing after them
    ],
)
def test_newcomers_are_those_with_no_more_past(n, users, wanted):
    _data, cases = cases_of(ROWS, n)
    assert cases.cases.users.tolist() == users
    assert [own.tolist() for own in cases.cases.relevant] == wanted


@pytest.mark.parametrize(("n", "items"), [(1, [10]), (3, [10, 11, 12]), (5, [10, 11, 12, 13, 14])])
def test_exactly_the_first_events_are_read(n, items):
    data, cases = cases_of(ROWS, n)
    assert beginnings_of(data, cases)[0].items.tolist() == items


def test_events_of_the_same_second_are_told_apart_by_arrival():
    rows = [(1, item, 110, 1.0) for item in (7, 3, 9)]
    data, cases = cases_of(rows, 1)
    assert beginnings_of(data, cases)[0].items.tolist() == [7]
    assert cases.cases.relevant[0].tolist() == [3, 9]


def test_low_ratings_are_no_beginning_but_hide_their_item():
    rows = [(1, 1, 110, 0.0), (1, 2, 111, 1.0), (1, 1, 112, 1.0), (1, 3, 113, 1.0)]
    data, cases = cases_of(rows, 1)
    assert beginnings_of(data, cases)[0].items.tolist() == [2]
    assert cases.cases.seen[0].tolist() == [1, 2]
    assert cases.cases.relevant[0].tolist() == [3]


def test_what_does_not_hide_an_item_leaves_it_to_be_found():
    rows = [(1, 1, 110, 1.0), (1, 1, 112, 1.0)]
    _data, cases = cases_of(rows, 1, hiding=np.zeros(2, np.bool_))
    assert cases.cases.relevant[0].tolist() == [1]
    assert len(cases_of(rows, 1)[1]) == 0


def test_who_takes_nothing_afterwards_is_not_judged():
    assert len(cases_of([(1, 1, 110, 1.0)], 1)[1]) == 0


def test_items_unknown_to_the_artifact_are_dropped():
    data, cases = cases_of(ROWS, 3)
    numbers = np.arange(61)
    numbers[11] = 0
    assert beginnings_of(data, cases, numbers)[0].items.tolist() == [10, 12]


def test_features_are_the_users_own_row():
    data, cases = cases_of(ROWS, 1)
    rows = np.arange(10, dtype=np.float32)[:, None]
    histories = beginnings_of(data, cases, features=rows)
    assert [history.features.tolist() for history in histories] == [[1.0], [2.0]]


def test_no_event_is_too_few():
    with pytest.raises(ValueError, match="n is 0"):
        cases_of(ROWS, 0)


def test_newcomers_are_sampled_with_their_beginnings():
    data, cases = cases_of(ROWS, 1)
    one = limited(cases, 1, 1)
    place = cases.cases.users.tolist().index(one.cases.users[0])
    assert len(one) == 1
    assert one.beginnings[0].tolist() == cases.beginnings[place].tolist()
    assert len(limited(cases, 2, 1)) == 2
    assert beginnings_of(data, one)[0].items.tolist() in ([10], [5])


events = st.lists(
    st.tuples(
        st.integers(1, 4), st.integers(1, 12), st.integers(80, 130), st.sampled_from([0.0, 1.0])
    ),
    min_size=1,
    max_size=60,
)


@given(events, st.sampled_from([1, 3, 5]))
def test_nothing_later_than_the_beginning_is_read_and_nothing_earlier_is_asked(rows, n):
    data, cases = cases_of(sorted(rows, key=lambda row: row[2]), n)
    for place, user in enumerate(cases.cases.users):
        own = np.flatnonzero(data.user == user)
        positives = own[data.weight[own] > 0]
        beginning = cases.beginnings[place]
        assert beginning.tolist() == positives[:n].tolist()
        assert np.count_nonzero(data.time[positives] < SINCE) <= n
        later = positives[n:]
        assert set(cases.cases.relevant[place]) <= set(data.item[later])
        assert not set(cases.cases.relevant[place]) & set(cases.cases.seen[place])
