import numpy as np
import pytest
from scipy import sparse

from recommender.ml.models.base import TrainingError
from recommender.ml.models.ease import solve
from recommender.ml.models.item_knn import taken
from recommender.ml.models.neighbor_lists import popular_items, strongest
from tests.ml.planted import planted, world
from tests.ml.scorers.given import history
from tests.ml.small import trained


def slow_weights(matrix, reg):
    """Regress each item on the others, one by one: what the closed form does at once."""
    n = matrix.shape[1]
    weights = np.zeros((n, n))
    for item in range(n):
        others = [other for other in range(n) if other != item]
        known = matrix[:, others]
        left = known.T @ known + reg * np.eye(n - 1)
        weights[others, item] = np.linalg.solve(left, known.T @ matrix[:, item])
    return weights


def test_the_weights_are_a_ridge_regression_of_each_item_on_the_others():
    matrix = (np.random.default_rng(1).random((40, 7)) < 0.4) * 1.5
    found = solve(sparse.csr_matrix(matrix), 3.0)
    np.testing.assert_allclose(found, slow_weights(matrix, 3.0), atol=1e-10)


def test_two_items_always_taken_together_predict_each_other():
    # XᵀX = 2 everywhere, reg 2: P = [[4, −2], [−2, 4]] / 12, so B = 2 / 4.
    found = solve(sparse.csr_matrix([[1.0, 1.0], [1.0, 1.0]]), 2.0)
    np.testing.assert_allclose(found, [[0, 0.5], [0.5, 0]])


def test_each_item_keeps_its_strongest_weights_of_either_sign():
    weights = np.array([[0, 0.2, -0.9], [0.5, 0, 0.1], [-0.7, 0.1, 0]])
    places = np.array([2, 4, 5])
    kept = strongest(weights.T, 1, (places, places), (6, 6)).T.toarray()
    assert kept[5, 2] == -0.7
    assert kept[2, 4] == 0.2
    assert kept[2, 5] == -0.9
    assert np.count_nonzero(kept) == 3


def test_keeping_everything_changes_nothing():
    weights = np.random.default_rng(2).standard_normal((6, 6))
    places = np.arange(1, 7)
    kept = strongest(weights, 99, (places, places), (7, 7))
    np.testing.assert_array_equal(kept[1:, 1:].todense(), weights)


def test_a_users_score_is_the_sum_of_their_items_rows():
    data = planted(rated=False)
    scorer = trained("ease", data, n_neighbors=30, fade=1.0).scorer()
    weights = solve(taken(data, 4.0)[:, 1:], 5.0)
    expected = weights[[3, 8]].sum(axis=0)
    np.testing.assert_allclose(scorer.score([history([4, 9])])[0, 1:], expected, atol=1e-4)


def test_an_event_one_further_from_the_newest_counts_a_fade_less():
    scorer = trained("ease", planted(rated=False), fade=0.5).scorer()
    bias, first, last, both = (
        scorer.score([past])[0, 1:].astype(np.float64)
        for past in (history([]), history([4]), history([9]), history([4, 9]))
    )
    np.testing.assert_allclose(both - bias, 0.5 * (first - bias) + (last - bias), atol=1e-6)


def test_events_beyond_the_length_that_is_read_say_nothing():
    scorer = trained("ease", planted(rated=False), history_length=2).scorer()
    longer, newest = scorer.score([history([7, 4, 9]), history([4, 9])])
    np.testing.assert_array_equal(longer, newest)


def test_only_the_most_popular_items_take_part():
    took = [(1, 1), (1, 3), (2, 1), (2, 2), (2, 3), (3, 2), (3, 3)]
    few = world([(user, item, at) for at, (user, item) in enumerate(took)], 3, 4)
    assert popular_items(few, 2).tolist() == [1, 3]  # 1 and 2 are equal: the lower number
    assert popular_items(few, 9).tolist() == [1, 2, 3]  # nobody took 4
    data = world([(u, i, u + i) for u in range(1, 9) for i in (1, 2, 3) if u > i], 8, 3)
    scores = trained("ease", data, max_items=2).scorer().score([history([1, 3])])[0]
    assert scores[2] > scores[3]
    assert trained("ease", data, max_items=2).scorer().similar(3)[1:3].tolist() == [0, 0]


def test_a_cap_that_leaves_nothing_is_an_error_that_says_so():
    with pytest.raises(
        TrainingError, match="max_items is 0: no item is left; set it to at least 1"
    ):
        trained("ease", planted(), max_items=0)


def test_equations_without_a_solution_are_an_error_that_says_so():
    with pytest.raises(TrainingError, match=r"raise reg \(it is 0.0\)"):
        solve(sparse.csr_matrix([[1.0, 0.0], [1.0, 0.0]]), 0.0)
