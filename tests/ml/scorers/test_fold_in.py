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
