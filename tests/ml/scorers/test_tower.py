import math

import numpy as np
import pytest

from recommender.ml.manifest import ArtifactError
from recommender.ml.scorers.kind import Pieces
from recommender.ml.scorers.tower import ColdRows, check
from tests.ml.scorers.given import history, tower


def test_the_tower_reads_the_newest_vectors_and_adds_the_bias():
    scores = tower().score([history([1, 2, 3])])  # mean of items 2 and 3: (0.5, 1)
    np.testing.assert_allclose(scores[0, 1:], [1.1, 1.2, 1.8], rtol=1e-6)


def test_a_known_users_own_vector_is_handed_to_the_tower():
    own = np.array([[0, 0], [0, 0], [4, 0]], np.float32)
    scores = tower(own_vectors=own).score([history([2], user=2), history([2])])
    np.testing.assert_allclose(scores[:, 1], [8.1, 0.1], rtol=1e-6)


def test_components_split_the_match():
    item_vectors = np.array([[0, 0], [2, 0], [0, 1], [1, 1]], np.float32)
    parts = {"taste": item_vectors * 0.25, "content": item_vectors * 0.75}
    split = tower(components=parts).parts(history([2]), np.array([3]))
    assert {name: round(float(part[0]), 4) for name, part in split.items()} == {
        "bias": 0.3,
        "taste": 0.25,
        "content": 0.75,
    }


def test_tower_likeness_is_a_cosine():
    likeness = tower().similar(1)
    np.testing.assert_allclose(likeness[2:], [0, 1 / math.sqrt(2)], atol=1e-6)
    assert np.isneginf(likeness[:2]).all()


COLD = ColdRows(
    np.array([1, 3]), np.array([[0, 4], [5, 0]], np.float32), np.array([0.5, 0.7], np.float32)
)


def test_a_new_item_has_the_row_it_had_before_anything_was_learned_of_it():
    scorer = tower(cold_rows=COLD)
    assert scorer.held_out.tolist() == [1, 3]
    scores = scorer.cold(np.array([3])).score([history([2])])  # the user's vector is (0, 1)
    np.testing.assert_allclose(scores[0, 1:], [0.1, 1.2, 0.7], rtol=1e-6)
    scores = scorer.cold(np.array([1])).score([history([2])])
    np.testing.assert_allclose(scores[0, 1:], [4.5, 1.2, 1.3], rtol=1e-6)
    assert scorer.item_vectors[3].tolist() == [1, 1]


def test_a_new_item_in_a_history_is_read_as_new():
    scores = tower(cold_rows=COLD).cold(np.array([3])).score([history([3])])
    np.testing.assert_allclose(scores[0, 1], 10.1, rtol=1e-6)  # (5, 0) · (2, 0) + .1


@pytest.mark.parametrize("rows", [COLD, None])
def test_an_item_that_was_trained_on_cannot_be_new(rows):
    with pytest.raises(ValueError, match=r"items \[2\] were trained on"):
        tower(cold_rows=rows).cold(np.array([2]))


def test_a_tower_that_held_nothing_out_has_no_new_items():
    assert not len(tower().held_out)
    same = tower().cold(np.array([], np.int64)).score([history([2])])
    np.testing.assert_array_equal(same, tower().score([history([2])]))


def pieces(**arrays):
    return Pieces(arrays, {}, {}, n_items=3, n_users=2)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cold_items": np.array([1, 4])}, "outside the items"),
        ({"cold_items": np.array([0, 1])}, "outside the items"),
        ({"cold_items": np.array([2, 1])}, "do not rise"),
        ({"cold_items": np.array([1, 1])}, "do not rise"),
        ({"cold_bias": None}, "cold_items, cold_vectors, cold_bias"),
        ({"cold_items": None}, "cold_items, cold_vectors, cold_bias"),
    ],
)
def test_held_out_items_that_do_not_fit_are_refused(changes, reason):
    whole = {
        "cold_items": COLD.items,
        "cold_vectors": COLD.vectors,
        "cold_bias": COLD.bias,
    }
    check(pieces(**whole))
    check(pieces())
    broken = {name: array for name, array in (whole | changes).items() if array is not None}
    with pytest.raises(ArtifactError, match=reason):
        check(pieces(**broken))
