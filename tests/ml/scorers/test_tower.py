import math

import numpy as np

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
