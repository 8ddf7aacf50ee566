import math

import numpy as np

from tests.ml.scorers.given import DAY, history, neighbors


def test_neighbor_scores_add_up_over_the_history():
    scores = neighbors().score([history([1, 2])])
    np.testing.assert_allclose(scores[0, 1:], [0.501, 0.502, 0.253], rtol=1e-6)


def test_neighbor_scores_follow_event_weights():
    scores = neighbors().score([history([1, 2], weights=[2.0, 0.5])])
    np.testing.assert_allclose(scores[0, 1:], [0.251, 1.002, 0.503], rtol=1e-6)


def test_an_older_event_counts_half_after_a_half_life():
    scorer = neighbors(half_life_days=10.0)
    scores = scorer.score([history([1, 2], times=[0, 10 * DAY])])
    np.testing.assert_allclose(scores[0, 1:], [0.501, 0.252, 0.128], rtol=1e-6)


def test_neighbors_read_only_the_newest_events():
    scores = neighbors(history_length=1).score([history([1, 2])])
    np.testing.assert_allclose(scores[0, 1:], [0.501, 0.002, 0.003], rtol=1e-5)


def test_an_empty_history_falls_back_to_the_bias():
    scores = neighbors().score([history([])])
    np.testing.assert_allclose(scores[0, 1:], [0.001, 0.002, 0.003], rtol=1e-6)


def test_similar_neighbors_are_the_stored_row():
    assert neighbors().similar(1).tolist() == [-math.inf, -math.inf, 0.5, 0.25]


def test_a_new_item_is_like_none():
    scorer = neighbors()
    cold = scorer.cold(np.array([2]))
    assert scorer.held_out is None
    np.testing.assert_allclose(cold.score([history([1, 2])])[0, 1:], [0.001, 0.0, 0.253], rtol=1e-6)
    assert scorer.data.tolist() == [0.5, 0.25, 0.5]
    assert cold.score([history([1, 2])]).dtype == np.float32
