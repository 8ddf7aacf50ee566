import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.scoring import event_strengths, pack, unit_rows
from tests.ml.scorers.given import DAY, fold_in, history, neighbors, tower


def test_packing_pads_right_and_keeps_the_newest():
    packed = pack([history([1, 2, 3]), history([4]), history([])], 2, np.zeros(0))
    assert packed["items"].tolist() == [[2, 3], [4, 0], [0, 0]]
    assert packed["lengths"].tolist() == [2, 1, 0]
    assert packed["weights"].tolist() == [[1, 1], [1, 0], [0, 0]]


def test_packing_lets_the_mean_user_stand_in_for_unknown_features():
    rows = [history([], features=f) for f in ([], [0, 0], [1, 2], [1, 2, 3])]
    packed = pack(rows, 5, np.array([0.5, 0.25]))
    assert packed["features"].tolist() == [[0.5, 0.25], [0.5, 0.25], [1, 2], [0.5, 0.25]]


def test_leaving_an_event_out_keeps_the_rest_aligned():
    rest = history([5, 6, 7], weights=[1, 2, 3], times=[10, 20, 30], user=4).without(1)
    assert (rest.items.tolist(), rest.weights.tolist()) == ([5, 7], [1, 3])
    assert (rest.times.tolist(), rest.user) == ([10, 30], 4)


def test_unit_rows_leave_zero_rows_alone():
    np.testing.assert_allclose(unit_rows(np.array([[0, 0], [3, 4]])), [[0, 0], [0.6, 0.8]])


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=20), st.floats(0.1, 1_000))
def test_strengths_stay_between_nothing_and_the_weight(days, half_life):
    events = history([1] * len(days), times=[day * DAY for day in sorted(days)])
    strengths = event_strengths(events, half_life)
    assert ((strengths >= 0) & (strengths <= 1)).all()
    assert strengths[-1] == 1
    assert (np.diff(strengths) >= 0).all()


@pytest.mark.parametrize("scorer", [neighbors(), fold_in(), tower()])
def test_parts_sum_to_the_score_for_every_kind(scorer):
    events = history([1, 2])
    items = np.array([1, 2])
    total = sum(scorer.parts(events, items).values())
    np.testing.assert_allclose(total, scorer.score([events])[0, items], atol=1e-6)
