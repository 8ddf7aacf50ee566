import time

import numpy as np

from recommender.ml.scorers.pair import PairNetwork, PairScorer
from tests.ml.scorers.given import history, tower


def network(size=2, hidden=3, deep=2, seed=1):
    """Draw a network's weights."""
    rng = np.random.default_rng(seed)
    shapes = [(size,), (size, hidden), (size, hidden), (hidden,), (hidden, deep), (deep,), (deep,)]
    return PairNetwork(*(rng.standard_normal(shape).astype(np.float32) for shape in shapes))


def test_a_pair_is_scored_by_product_and_layers():
    # One hidden unit a layer. User of [1]: (2, 0). Item 2: (0, 1), item 3: (1, 1).
    plain = PairNetwork(
        product=np.array([0.5, 1.0]),
        user_layer=np.array([[1.0], [0.0]]),
        item_layer=np.array([[0.0], [-3.0]]),
        first_bias=np.array([0.5]),
        second=np.array([[2.0]]),
        second_bias=np.array([-1.0]),
        last=np.array([10.0]),
    )
    scores = PairScorer(tower(), plain).score([history([1])])[0]
    # Item 1: 1/2·2·2 + 10·(2·2.5 − 1) + .1; items 2 and 3: relu(2 − 3 + .5) = 0.
    np.testing.assert_allclose(scores[1:], [2 + 40 + 0.1, 0.2, 1 + 0.3], rtol=1e-6)
    assert scores[0] == -np.inf


def test_all_items_at_once_score_as_pair_by_pair():
    scorer = PairScorer(tower(), network())
    users = scorer.tower.user_vectors([history([1, 2]), history([3])])
    w = scorer.network
    for user, row in zip(users, scorer.score([history([1, 2]), history([3])]), strict=True):
        for item in (1, 2, 3):
            vector = scorer.tower.item_vectors[item]
            first = np.maximum(user @ w.user_layer + vector @ w.item_layer + w.first_bias, 0)
            deep = np.maximum(first @ w.second + w.second_bias, 0) @ w.last
            expected = (user * w.product * vector).sum() + deep + scorer.tower.item_bias[item]
            np.testing.assert_allclose(row[item], expected, rtol=1e-5)


def test_the_parts_sum_to_the_score():
    scorer, items = PairScorer(tower(), network()), np.array([1, 3])
    parts = scorer.parts(history([1, 2]), items)
    assert set(parts) == {"bias", "match", "network"}
    np.testing.assert_allclose(
        sum(parts.values()), scorer.score([history([1, 2])])[0, items], rtol=1e-5
    )


def test_one_user_over_a_large_catalog_takes_little():
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((3_701, 48)).astype(np.float32)
    large = tower(
        item_vectors=vectors,
        item_bias=np.zeros(3_701, np.float32),
        own_vectors=np.zeros((3, 48), np.float32),
    )
    scorer = PairScorer(large, network(48, 32, 16))
    scorer.score([history([1])])  # the items' halves are worked out once
    spent = []
    for _ in range(20):
        began = time.process_time()
        scorer.score([history([1, 2])])
        spent.append(time.process_time() - began)
    assert min(spent) < 0.003
