"""Top k and the seen mask: exact, repeatable, never padding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recommender.ml.topk import mask_seen, top_k

SCORES = arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 12)),
    elements=st.sampled_from([-np.inf, np.nan, -1.0, 0.0, 0.5, 0.5, 2.0]),
)


def slow_top_k(row, k):
    """Sort everything: the obvious twin."""
    items = [n for n in range(1, len(row)) if row[n] > -np.inf]
    ranked = sorted(items, key=lambda n: (-row[n], n))[:k]
    return ranked + [0] * (k - len(ranked))


@given(SCORES, st.integers(1, 15))
def test_top_k_is_what_a_full_sort_gives(scores, k):
    expected = [slow_top_k(row, k) for row in scores]
    assert top_k(scores, k).tolist() == expected
    assert top_k(scores[0], k).tolist() == expected[0]


def test_equal_scores_are_listed_by_lower_number():
    assert top_k(np.array([0, 1, 1, 1, 1]), 2).tolist() == [1, 2]


def test_padding_is_never_listed_however_well_it_scores():
    assert top_k(np.array([[99.0, 1.0, 2.0]]), 3).tolist() == [[2, 1, 0]]


def test_an_empty_catalog_gives_an_empty_list():
    assert top_k(np.zeros((2, 1)), 3).tolist() == [[0, 0, 0]] * 2


def test_a_list_of_nothing_is_refused():
    with pytest.raises(ValueError, match="k is 0"):
        top_k(np.zeros(3), 0)


def test_each_user_loses_the_own_seen_items_only():
    scores = np.arange(8.0).reshape(2, 4)
    masked = mask_seen(scores, [np.array([1, 1]), np.array([], dtype=int)])
    assert masked.tolist() == [[-np.inf, -np.inf, 2, 3], [-np.inf, 5, 6, 7]]


def test_masking_leaves_the_scores_as_they_were():
    scores = np.zeros((1, 3))
    mask_seen(scores, [np.array([2])])
    assert scores.tolist() == [[0, 0, 0]]


def test_items_newer_than_the_model_are_ignored():
    assert mask_seen(np.zeros(3), np.array([2, 7]))[1:].tolist() == [0, -np.inf]


def test_seen_arrays_must_match_the_rows():
    with pytest.raises(ValueError, match="1 seen arrays for 2 rows"):
        mask_seen(np.zeros((2, 3)), [np.array([1])])


@given(SCORES, st.integers(1, 15))
def test_nothing_seen_is_ever_listed(scores, k):
    seen = [np.arange(1, scores.shape[1], 2)] * len(scores)
    listed = top_k(mask_seen(scores, seen), k)
    assert not set(listed.ravel()) & set(range(1, scores.shape[1], 2))
