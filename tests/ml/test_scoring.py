import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.scoring import (
    BlendScorer,
    FoldInScorer,
    History,
    NeighborScorer,
    PopularityScorer,
    TowerScorer,
    event_strengths,
    pack,
    unit_rows,
)

DAY = 86_400


def history(items, weights=None, times=None, features=(), user=0):
    n = len(items)
    return History(
        items=np.array(items, np.int64),
        weights=np.array([1.0] * n if weights is None else weights, np.float32),
        values=np.full(n, np.nan, np.float32),
        times=np.array(range(n) if times is None else times, np.int64),
        features=np.array(features, np.float32),
        user=user,
    )


def neighbors(**changes):
    """Build: item 1 is near 2 (0.5) and 3 (0.25), item 2 is near 1 (0.5), item 3 near nothing."""
    facts = {
        "indptr": np.array([0, 0, 2, 3, 3]),
        "indices": np.array([2, 3, 1]),
        "data": np.array([0.5, 0.25, 0.5], np.float32),
        "bias": np.array([0, 0.001, 0.002, 0.003], np.float32),
        "vectors": np.zeros((4, 1), np.float32),
    }
    return NeighborScorer(**(facts | changes))


def fold_in(alpha=1.0):
    """Build two items with factors 1 and −1 (D = 1), no bias, reg 1."""
    vectors = np.array([[0.0], [1.0], [-1.0]])
    rows = np.array([[1.0, 1.0], [-1.0, 1.0]])
    return FoldInScorer(vectors, np.zeros(3), rows.T @ rows + np.eye(2), np.zeros(2), alpha)


class FakeSession:
    """Answer with the mean item vector of the history, as a graph might."""

    def get_inputs(self):
        names = ("vectors", "lengths", "user")
        return [type("Input", (), {"name": name}) for name in names]

    def run(self, _, feeds):
        assert set(feeds) == {"vectors", "lengths", "user"}
        total = feeds["vectors"].sum(axis=1) + feeds["user"]
        return [total / np.maximum(feeds["lengths"], 1)[:, None].astype(np.float32)]


def tower(**changes):
    """Build three items in two dimensions."""
    facts = {
        "session": FakeSession(),
        "item_vectors": np.array([[0, 0], [2, 0], [0, 1], [1, 1]], np.float32),
        "item_bias": np.array([0, 0.1, 0.2, 0.3], np.float32),
        "default_features": np.zeros(0, np.float32),
        "history_length": 2,
        "own_vectors": np.zeros((3, 2), np.float32),
    }
    return TowerScorer(**(facts | changes))


def test_popularity_gives_everybody_the_same_row():
    scorer = PopularityScorer(np.array([0.0, 3.0, 5.0]), np.zeros((3, 1)))
    scores = scorer.score([history([1]), history([])])
    assert scores.tolist() == [[-math.inf, 3.0, 5.0]] * 2
    assert scorer.parts(history([]), np.array([2]))["bias"].tolist() == [5.0]
    assert scorer.n_items == 2


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


def test_packing_pads_right_and_keeps_the_newest():
    packed = pack([history([1, 2, 3]), history([4]), history([])], 2, np.zeros(0))
    assert packed["items"].tolist() == [[2, 3], [4, 0], [0, 0]]
    assert packed["lengths"].tolist() == [2, 1, 0]
    assert packed["weights"].tolist() == [[1, 1], [1, 0], [0, 0]]


def test_packing_lets_the_mean_user_stand_in_for_unknown_features():
    rows = [history([], features=f) for f in ([], [0, 0], [1, 2], [1, 2, 3])]
    packed = pack(rows, 5, np.array([0.5, 0.25]))
    assert packed["features"].tolist() == [[0.5, 0.25], [0.5, 0.25], [1, 2], [0.5, 0.25]]


def test_leaving_an_event_out_keeps_the_rest_aligned():
    rest = history([5, 6, 7], weights=[1, 2, 3], times=[10, 20, 30], user=4).without(1)
    assert (rest.items.tolist(), rest.weights.tolist()) == ([5, 7], [1, 3])
    assert (rest.times.tolist(), rest.user) == ([10, 30], 4)


def test_unit_rows_leave_zero_rows_alone():
    np.testing.assert_allclose(unit_rows(np.array([[0, 0], [3, 4]])), [[0, 0], [0.6, 0.8]])


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=20), st.floats(0.1, 1_000))
def test_strengths_stay_between_nothing_and_the_weight(days, half_life):
    events = history([1] * len(days), times=[day * DAY for day in sorted(days)])
    strengths = event_strengths(events, half_life)
    assert ((strengths >= 0) & (strengths <= 1)).all()
    assert strengths[-1] == 1
    assert (np.diff(strengths) >= 0).all()


@pytest.mark.parametrize("scorer", [neighbors(), fold_in(), tower()])
def test_parts_sum_to_the_score_for_every_kind(scorer):
    events = history([1, 2])
    items = np.array([1, 2])
    total = sum(scorer.parts(events, items).values())
    np.testing.assert_allclose(total, scorer.score([events])[0, items], atol=1e-6)


def test_a_blend_adds_standardized_neighbors_to_the_tower():
    blend = BlendScorer(tower(), neighbors(), 0.8)
    own, near = tower().score([history([1])])[0], neighbors().score([history([1])])[0]
    z = (near[1:] - near[1:].mean()) / near[1:].std()
    np.testing.assert_allclose(blend.score([history([1])])[0, 1:], own[1:] + 0.8 * z, rtol=1e-5)


def test_the_parts_of_a_blend_sum_to_its_score():
    blend, items = BlendScorer(tower(), neighbors(), 0.8), np.array([1, 2, 3])
    parts = blend.parts(history([1, 2]), items)
    assert set(parts) == {"bias", "match", "neighbors"}
    np.testing.assert_allclose(
        sum(parts.values()), blend.score([history([1, 2])])[0, 1:], rtol=1e-5
    )


def test_neighbors_that_all_score_alike_leave_the_tower_alone():
    flat = neighbors(bias=np.zeros(4, np.float32))
    scores = BlendScorer(tower(), flat, 0.8).score([history([])])
    np.testing.assert_array_equal(scores, tower().score([history([])]))
