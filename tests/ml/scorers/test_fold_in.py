from dataclasses import replace

import numpy as np

from tests.ml.scorers.given import fold_in, history


def test_fold_in_solves_the_users_own_least_squares():
    # (3 + c) x + c a = 1 + c and c x + (3 + c) a = 1 + c with c = 1: x = a = 2 / 5
    scores = fold_in().score([history([1])])
    np.testing.assert_allclose(scores[0, 1:], [0.8, 0.0], atol=1e-6)


def test_fold_in_counts_a_repeat_once_at_its_strongest():
    once = fold_in().score([history([1], weights=[3.0])])
    thrice = fold_in().score([history([1, 1, 1], weights=[1.0, 3.0, 2.0])])
    np.testing.assert_allclose(once, thrice)


def test_fold_in_of_nothing_is_the_bias():
    np.testing.assert_allclose(fold_in().score([history([])])[0, 1:], [0.0, 0.0])


def test_a_new_item_has_no_factors_and_leaves_the_users_problem():
    # Item 2 without factors: (2 + c) x + (1 + c) a = 1 + c and (1 + c) x + (3 + c) a = 1 + c, c = 1
    # so x = 1/2 and a = 1/4.
    cold = fold_in().cold(np.array([2]))
    assert fold_in().held_out is None
    np.testing.assert_allclose(cold.score([history([1])])[0, 1:], [0.75, 0.25], atol=1e-6)


def test_a_new_item_gets_the_lowest_bias_and_the_problem_knows_it():
    scorer = replace(fold_in(), item_bias=np.array([0.0, 0.6, 0.2]), offset=np.array([-0.4, -0.8]))
    cold = scorer.cold(np.array([1]))  # the offset is −Σ b [v, 1]
    assert cold.item_bias.tolist() == [0.0, 0.2, 0.2]
    np.testing.assert_allclose(cold.offset, [0.2, -0.4], atol=1e-12)


def test_taking_nothing_away_changes_nothing():
    same = fold_in().cold(np.array([], np.int64))
    np.testing.assert_array_equal(same.score([history([1])]), fold_in().score([history([1])]))
