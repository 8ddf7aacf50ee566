from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recommender.ml.scorers.blend import BlendScorer, Member, standardized
from recommender.ml.scorers.popularity import PopularityScorer
from recommender.ml.scorers.tower import ColdRows
from tests.ml.scorers.given import history, neighbors, tower

NONE_NEW = np.zeros(4, np.bool_)
POPULAR = PopularityScorer(np.array([0, 2, 4, 6], np.float32), np.zeros((4, 1), np.float32))


def blend(ease=0.8, popularity=0.5):
    """Build a blend of the small tower, the small neighbors and a popularity."""
    members = {"ease": Member(neighbors(), ease), "popularity": Member(POPULAR, popularity)}
    return BlendScorer(tower(), members, NONE_NEW)


def test_a_blend_adds_each_members_standardized_scores_to_the_tower():
    own, near = tower().score([history([1])])[0], neighbors().score([history([1])])[0]
    z = (near[1:] - near[1:].mean()) / near[1:].std()
    popular = np.array([-1, 0, 1]) * np.sqrt(3 / 2)
    expected = own[1:] + 0.8 * z + 0.5 * popular
    np.testing.assert_allclose(blend().score([history([1])])[0, 1:], expected, rtol=1e-5)
    assert blend().score([history([1])])[0, 0] == -np.inf


def test_the_parts_of_a_blend_sum_to_its_score():
    items = np.array([1, 2, 3])
    parts = blend().parts(history([1, 2]), items)
    assert set(parts) == {"bias", "match", "ease", "popularity"}
    np.testing.assert_allclose(
        sum(parts.values()), blend().score([history([1, 2])])[0, 1:], rtol=1e-5
    )


def test_a_member_without_weight_is_not_even_asked():
    class Never:
        def score(self, histories):
            raise AssertionError("asked")

    silent = BlendScorer(tower(), {"ease": Member(Never(), 0.0, 2.0)}, NONE_NEW)
    np.testing.assert_array_equal(silent.score([history([1])]), tower().score([history([1])]))
    assert set(silent.parts(history([1]), np.array([1]))) == {"bias", "match"}


def test_members_that_score_all_alike_leave_the_tower_alone():
    flat = neighbors(bias=np.zeros(4, np.float32))
    scores = BlendScorer(tower(), {"ease": Member(flat, 0.8)}, NONE_NEW).score([history([])])
    np.testing.assert_array_equal(scores, tower().score([history([])]))


def test_other_weights_make_another_blend():
    other = blend().with_weights({"ease": 0.0, "popularity": 0.0})
    np.testing.assert_array_equal(other.score([history([1])]), tower().score([history([1])]))
    assert blend().members["ease"].weight == 0.8


@given(arrays(np.float32, (2, 6), elements=st.floats(-1_000, 1_000, width=32)))
def test_standardized_rows_have_mean_zero_and_deviation_one_or_are_flat(scores):
    rows = standardized(scores)[:, 1:]
    for row, own in zip(rows, scores[:, 1:], strict=True):
        if np.ptp(own) > 1e-2:  # rounding is far below
            assert row.mean() == pytest.approx(0, abs=1e-3)
            assert row.std() == pytest.approx(1, abs=1e-3)
        elif np.ptp(own) == 0:
            assert not row.any()


def test_a_blend_meets_new_items_where_all_its_parts_can():
    rows = ColdRows(np.array([2]), np.array([[3, 3]], np.float32), np.array([0.5], np.float32))
    whole = replace(blend(), tower=tower(cold_rows=rows))
    items = whole.held_out
    assert items.tolist() == [2]
    parts = BlendScorer(
        whole.tower.cold(items),
        {
            "ease": Member(neighbors().cold(items), 0.8),
            "popularity": Member(POPULAR.cold(items), 0.5),
        },
        np.array([False, False, True, False]),
    )
    cold = whole.cold(items).score([history([1])])
    np.testing.assert_array_equal(cold, parts.score([history([1])]))
    assert not np.allclose(cold, whole.score([history([1])]))


def test_a_blend_of_parts_that_count_can_meet_any_item_as_new():
    assert BlendScorer(neighbors(), {"p": Member(POPULAR, 1.0)}, NONE_NEW).held_out is None
    assert not len(blend().held_out)  # its tower held nothing out


def test_of_a_new_item_only_those_members_speak_that_know_it():
    is_new = np.array([False, False, True, False])
    near = Member(neighbors(), 0.8)
    popular = Member(POPULAR, 0.5, new_weight=2.0)
    mixed = BlendScorer(tower(), {"ease": near, "popularity": popular}, is_new)
    scores, past = mixed.score([history([1])])[0], [history([1])]
    z = standardized(POPULAR.score(past))[0]
    assert scores[2] == pytest.approx(tower().score(past)[0, 2] + 2.0 * z[2])
    np.testing.assert_allclose(scores[[1, 3]], blend().score(past)[0, [1, 3]], rtol=1e-6)
    parts = mixed.parts(history([1]), np.array([1, 2, 3]))
    np.testing.assert_allclose(sum(parts.values()), scores[1:], rtol=1e-5)
    assert parts["ease"][1] == 0


def test_weights_fitted_for_known_items_leave_those_for_new_ones():
    popular = Member(POPULAR, 0.5, new_weight=2.0)
    other = BlendScorer(tower(), {"popularity": popular}, NONE_NEW).with_weights({"popularity": 1})
    assert other.members["popularity"] == Member(POPULAR, 1, 2.0)
