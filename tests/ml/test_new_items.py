"""New items: figures worked by hand, laws, and cases that hold no alternative the user touched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.new_items import (
    AUC,
    HIT,
    N_WARM,
    area_under_curve,
    hit_among,
    judge_new_items,
    limited,
    make_new_item_cases,
    make_timeless_cases,
    sum_up,
)
from recommender.ml.visits import make_visits
from tests.ml.worlds import make_interactions

SINCE = 100
scores = st.lists(st.integers(0, 6), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("taken", "others", "expected"),
    [
        ([5], [1, 2, 3], 1.0),
        ([0], [1, 2, 3], 0.0),
        ([2], [1, 2, 3], 0.5),
        ([1, 3], [2, 2], 0.5),
        ([3, 1], [2, 1], 5 / 8),  # 3 > 2, 3 > 1, 1 < 2, 1 = 1: (1 + 1 + 0 + ½) / 4
    ],
)
def test_auc_counts_pairs(taken, others, expected):
    assert area_under_curve(np.array(taken, float), np.array(others, float)) == expected


@pytest.mark.parametrize(("taken", "others"), [([], [1.0]), ([1.0], []), ([], [])])
def test_auc_without_a_pair_is_undefined(taken, others):
    assert np.isnan(area_under_curve(np.array(taken), np.array(others)))


@given(scores, scores)
def test_auc_equals_a_count_of_all_pairs(taken, others):
    pairs = [(a > b) + 0.5 * (a == b) for a in taken for b in others]
    assert area_under_curve(np.array(taken), np.array(others)) == pytest.approx(np.mean(pairs))


@given(scores, scores)
def test_auc_of_the_two_sides_sums_to_one(taken, others):
    a, b = np.array(taken), np.array(others)
    assert area_under_curve(a, b) + area_under_curve(b, a) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("n_ahead", "n_equal", "expected"),
    [(0, 0, 1.0), (9, 0, 1.0), (10, 0, 0.0), (9, 1, 0.5), (5, 9, 0.5), (0, 99, 0.1), (0, 5, 1.0)],
)
def test_a_hit_among_equals_is_the_chance_of_one(n_ahead, n_equal, expected):
    others = np.array([2.0] * n_ahead + [1.0] * n_equal + [0.0] * (99 - n_ahead - n_equal))
    assert hit_among(1.0, others, 10) == pytest.approx(expected)


@given(st.integers(0, 6), scores, st.integers(1, 5))
def test_a_hit_is_the_mean_over_all_orders_of_the_equal(score, others, k):
    ahead, equal = sum(o > score for o in others), sum(o == score for o in others)
    ranks = [ahead + 1 + place for place in range(equal + 1)]
    assert hit_among(score, np.array(others), k) == pytest.approx(np.mean([r <= k for r in ranks]))


def world():
    """User 1 takes new items 201 and 202 later, having once met 203; user 2 takes a known one."""
    rows = [(3, item, 1, 1.0) for item in range(1, 151)]
    rows += [(1, 1, 10, 1.0), (1, 203, 11, 1.0), (2, 2, 12, 1.0)]
    rows += [(1, 3, 110, 1.0), (1, 201, 120, 1.0), (1, 202, 130, 1.0), (2, 4, 140, 1.0)]
    data = make_interactions(rows, n_users=3, n_items=205)
    everything = np.ones(len(data), np.bool_)
    visits = make_visits(data, SINCE, everything, everything)
    return data, visits, np.array([201, 202, 203, 204, 205]), np.arange(1, 151)


def cases_of(seed=1, **changes):
    data, visits, items, known = world()
    items, known = changes.get("items", items), changes.get("known", known)
    return make_new_item_cases(data, visits, items, known, seed)


def test_a_user_counts_once_with_all_new_items_they_took():
    cases = cases_of()
    assert cases.cases.users.tolist() == [1]
    assert cases.cases.relevant[0].tolist() == [201, 202]
    assert cases.cases.times.tolist() == [110]  # the first visit that a new item follows
    assert (len(cases), cases.n_pairs) == (1, 2)


def test_alternatives_are_what_the_user_never_touched():
    cases = cases_of()
    assert cases.others[0].tolist() == [204, 205]
    assert len(np.unique(cases.warm[0])) == N_WARM
    assert not {1, 3, 201, 202, 203} & set(cases.warm[0])
    assert set(cases.warm[0]) <= set(range(1, 151))


def test_the_known_items_are_drawn_by_the_seed():
    assert cases_of(1).warm[0].tolist() == cases_of(1).warm[0].tolist()
    assert cases_of(1).warm[0].tolist() != cases_of(2).warm[0].tolist()


def test_a_new_item_is_never_a_known_alternative():
    cases = cases_of(known=np.arange(1, 206))
    assert not set(cases.warm[0]) & set(range(201, 206))


def test_scores_become_figures():
    row = np.zeros(206)
    row[[201, 202, 204, 205]] = [3.0, 1.0, 2.0, 1.0]
    figures = judge_new_items(lambda chosen: np.tile(row, (len(chosen), 1)), cases_of())
    assert figures[AUC].tolist() == [5 / 8]
    assert figures[HIT].tolist() == [1.0]
    row[1:151] = 2.0  # all known ones stand between the two
    figures = judge_new_items(lambda chosen: np.tile(row, (len(chosen), 1)), cases_of())
    assert figures[HIT].tolist() == [0.5]


def test_too_few_known_items_leave_the_hit_undefined():
    figures = judge_new_items(
        lambda chosen: np.zeros((len(chosen), 206)), cases_of(known=np.arange(1, 90))
    )
    assert np.isnan(figures[HIT]).all()
    assert figures[AUC].tolist() == [0.5]


def test_a_model_that_cannot_tell_items_apart_is_as_good_as_chance():
    figures = judge_new_items(lambda chosen: np.zeros((len(chosen), 206)), cases_of())
    assert (figures[AUC].tolist(), figures[HIT].tolist()) == ([0.5], [0.1])


def test_nobody_took_a_new_item():
    cases = cases_of(items=np.array([205]))
    figures = judge_new_items(lambda chosen: np.zeros((len(chosen), 206)), cases)
    assert (len(cases), cases.n_pairs, figures[AUC].shape) == (0, 0, (0,))


def test_users_are_sampled_with_their_alternatives():
    data, visits, _items, known = world()
    cases = make_new_item_cases(data, visits, np.array([4, 201, 205]), known, 1)
    one = limited(cases, 1, 1)
    place = cases.cases.users.tolist().index(one.cases.users[0])
    assert len(one) == len(one.others) == len(one.warm) == 1
    assert one.warm[0].tolist() == cases.warm[place].tolist()
    assert len(limited(cases, 2, 1)) == 2


def test_without_a_clock_every_event_with_a_new_item_is_asked_for():
    data, _visits, items, _known = world()
    cases = make_timeless_cases(data, items, 1)
    assert cases.cases.users.tolist() == [1]
    assert cases.cases.relevant[0].tolist() == [201, 202, 203]  # 203 before the window, too
    assert cases.others[0].tolist() == [204, 205]
    assert set(cases.warm[0]) <= set(range(1, 151)) - {1, 3}


def test_figures_are_summed_up_over_those_who_can_be_judged():
    found = sum_up({AUC: np.array([0.5, 1.0]), HIT: np.array([np.nan, 0.2])}, seed=1)
    assert (found[AUC].value, found[AUC].n) == (0.75, 2)
    assert (found[HIT].value, found[HIT].n) == (pytest.approx(0.2), 1)
