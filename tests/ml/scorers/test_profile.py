import math

import numpy as np

from recommender.ml.scorers.profile import ProfileScorer
from tests.ml.scorers.given import DAY, history

# Items 1 and 2 stand at right angles, 3 halfway, nothing is known of 4.
VECTORS = np.array([[0, 0], [1, 0], [0, 1], [math.sqrt(0.5), math.sqrt(0.5)], [0, 0]], np.float32)
BIAS = np.array([0, 0.01, 0.02, 0.03, 0.04], np.float32)


def profile(**changes):
    """Build a scorer of four items in two dimensions."""
    return ProfileScorer(**({"vectors": VECTORS, "bias": BIAS} | changes))


def test_an_item_scores_by_its_cosine_to_the_mean_of_the_history():
    scores = profile().score([history([1, 2])])  # the mean points at item 3
    half = math.sqrt(0.5)
    np.testing.assert_allclose(scores[0, 1:], [half + 0.01, half + 0.02, 1.03, 0.04], rtol=1e-6)


def test_heavier_events_pull_the_profile():
    (row,) = profile().profiles([history([1, 2], weights=[3.0, 4.0])])
    np.testing.assert_allclose(row, [0.6, 0.8], rtol=1e-6)


def test_older_events_pull_it_less():
    scorer = profile(half_life_days=10.0)
    (row,) = scorer.profiles([history([1, 2], weights=[1.5, 1.0], times=[0, 10 * DAY])])
    np.testing.assert_allclose(row, [0.6, 0.8], rtol=1e-6)


def test_only_the_newest_events_are_read():
    (row,) = profile(history_length=1).profiles([history([1, 2])])
    assert row.tolist() == [0, 1]


def test_histories_that_say_nothing_get_the_popular_items():
    scores = profile().score([history([]), history([4])])
    np.testing.assert_array_equal(scores[:, 1:], [BIAS[1:], BIAS[1:]])
    assert np.isneginf(scores[:, 0]).all()


def test_similar_items_point_the_same_way():
    np.testing.assert_allclose(profile().similar(1)[2:], [0, math.sqrt(0.5), 0], atol=1e-6)
    assert np.isneginf(profile().similar(1)[:2]).all()


def test_the_parts_sum_to_the_score():
    parts = profile().parts(history([1, 2]), np.array([2, 4]))
    assert set(parts) == {"bias", "content"}
    scores = profile().score([history([1, 2])])[0, [2, 4]]
    np.testing.assert_allclose(sum(parts.values()), scores, rtol=1e-6)


def test_a_new_item_keeps_its_content_and_loses_its_popularity():
    scores = profile().cold(np.array([3])).score([history([1, 2])])
    np.testing.assert_allclose(scores[0, [3, 4]], [1.0, 0.04], rtol=1e-6)
