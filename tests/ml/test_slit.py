"""The linear sequence model."""

import numpy as np

from recommender.ml.models.neighbor_lists import popular_items, strongest
from recommender.ml.models.slit import Slit, SlitConfig, ridge, windows
from recommender.ml.scoring import History
from recommender.ml.sequences import Sequences
from tests.ml.planted import world


def walk(n_users, length, n_items):
    """Return users who go from item to item, 1 → 2 → … → M → 1, from different places."""
    rows = [
        (user, 1 + (user + step) % n_items, step)
        for step in range(length)
        for user in range(1, n_users + 1)
    ]
    return world(rows, n_users, n_items)


def past(*items):
    """Return a history of equal events."""
    n = len(items)
    return History(
        items=np.array(items, np.int64),
        weights=np.ones(n, np.float32),
        values=np.full(n, np.nan, np.float32),
        times=np.arange(n),
        features=np.zeros(0, np.float32),
    )


def fitted(data, **changes):
    """Return the model after its one epoch."""
    model = Slit(SlitConfig(**{"reg": 1.0, **changes}))
    list(model.fit(data))
    return model


def test_it_learns_which_item_follows_which():
    scorer = fitted(walk(40, 6, 12), horizon=1).scorer()
    for item in range(1, 12):
        assert scorer.score([past(item)])[0].argmax() == item + 1


def test_the_order_of_a_history_decides():
    scorer = fitted(walk(40, 6, 12), horizon=1).scorer()
    assert scorer.score([past(9, 2)])[0].argmax() == 3
    assert scorer.score([past(2, 9)])[0].argmax() == 10


def test_its_weights_are_those_of_ridge_regression():
    data = walk(7, 5, 6)
    inputs, outputs = windows(Sequences.of(data), 6, SlitConfig())
    dense, wanted = inputs.toarray().astype(np.float64), outputs.toarray()
    exact = np.linalg.solve(dense.T @ dense + 2.0 * np.eye(dense.shape[1]), dense.T @ wanted)
    np.testing.assert_allclose(ridge(inputs, outputs, 2.0), exact, atol=1e-4)


def test_windows_fade_with_distance_and_stay_within_a_user():
    config = SlitConfig(history_length=3, fade=0.5, horizon=2, horizon_fade=0.25)
    data = world([(1, 1, 0), (1, 2, 1), (1, 3, 2), (2, 4, 3), (1, 5, 4)], 2, 5)
    inputs, outputs = windows(Sequences.of(data), 5, config)
    newest, earlier = inputs.toarray()[:, :6], inputs.toarray()[:, 6:]
    assert newest[3].tolist() == [0, 0, 0, 1, 0, 0]  # before user 1 took item 5: item 3
    assert earlier[3].tolist() == [0, 0.5, 1, 0, 0, 0]  # item 2, and item 1 one further away
    assert outputs.toarray()[1].tolist() == [0, 0, 1, 0.25, 0, 0]  # item 2, then item 3
    assert not inputs.toarray()[4].any()  # user 2 had done nothing before


def test_items_beyond_the_cap_neither_speak_nor_are_predicted():
    often = [(user, item, 3 * user + item) for user in range(1, 9) for item in (1, 2)]
    data = world([*often, (9, 3, 99), (9, 1, 100)], 9, 3)
    scorer = fitted(data, max_items=2).scorer()
    bias = scorer.score([History.empty()])[0]
    np.testing.assert_array_equal(scorer.score([past(3)])[0], bias)
    assert scorer.score([past(1)])[0, 3] == bias[3]


def test_people_with_one_event_each_leave_the_popular_list():
    data = world([(user, 1 + user % 3, user) for user in range(1, 9)], 8, 3)
    scorer = fitted(data).scorer()
    nobody, somebody = scorer.score([History.empty(), past(2)])
    np.testing.assert_array_equal(nobody, somebody)


def test_the_strongest_weights_stay_by_absolute_value():
    weights = np.array([[0.1, -3.0, 2.0], [0.0, 0.0, 1.0]])
    kept = strongest(weights, 2, (np.array([1, 4]), np.array([0, 2, 3])), (5, 4)).toarray()
    assert kept[1].tolist() == [0, 0, -3.0, 2.0]
    assert kept[4].tolist() == [0, 0, 0, 1.0]
    assert not kept[[0, 2, 3]].any()


def test_popular_items_are_those_of_most_people():
    data = world([(1, 1, 0), (1, 1, 1), (1, 1, 2), (2, 2, 3), (3, 2, 4), (3, 3, 5)], 3, 4)
    assert popular_items(data, 1).tolist() == [2]
    assert popular_items(data, 9).tolist() == [1, 2, 3]
