"""MMR against its slow and obvious twin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.rerank import mmr, mmr_values


def slow_mmr(candidates, scores, vectors, k, trade_off):
    """Recompute every similarity at every step."""
    low, high = min(scores), max(scores)
    worth = [(s - low) / (high - low) if high > low else 0.0 for s in scores]
    left, picked = list(range(len(candidates))), []
    while left and len(picked) < k:

        def value(n):
            near = [float(vectors[candidates[n]] @ vectors[candidates[p]]) for p in picked]
            return (1 - trade_off) * worth[n] - trade_off * max([0.0, *near])

        best = max(left, key=lambda n: (value(n), -n))
        picked.append(best)
        left.remove(best)
    return [int(candidates[n]) for n in picked]


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 14), st.floats(0, 1))
def test_mmr_is_what_the_slow_twin_gives(seed, n, k, trade_off):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(21, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    candidates = rng.permutation(np.arange(1, 21))[:n]
    scores = rng.normal(size=n)
    expected = slow_mmr(candidates, scores, vectors, k, trade_off)
    assert mmr(candidates, scores, vectors, k, trade_off).tolist() == expected


VECTORS = np.array([[0, 0], [1, 0], [1, 0], [0, 1]], dtype=np.float32)


def test_no_trade_off_is_the_order_by_score():
    assert mmr(np.array([1, 2, 3]), np.array([1.0, 3.0, 2.0]), VECTORS, 3, 0).tolist() == [2, 3, 1]


def test_a_twin_of_the_first_steps_back():
    scores = np.array([3.0, 2.9, 2.0])  # 2 is the twin of 1
    assert mmr(np.array([1, 2, 3]), scores, VECTORS, 3, 0.0).tolist() == [1, 2, 3]
    assert mmr(np.array([1, 2, 3]), scores, VECTORS, 3, 0.6).tolist() == [1, 3, 2]


def test_equal_candidates_keep_their_order():
    assert mmr(np.array([3, 1, 2]), np.zeros(3), np.zeros((4, 2)), 3, 0.5).tolist() == [3, 1, 2]


def test_fewer_candidates_give_a_shorter_list():
    assert mmr(np.array([2]), np.array([1.0]), VECTORS, 5, 0.3).tolist() == [2]
    assert len(mmr(np.array([], dtype=int), np.array([]), VECTORS, 5, 0.3)) == 0


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"trade_off is 1\.5"):
        mmr(np.array([1]), np.array([1.0]), VECTORS, 1, 1.5)
    with pytest.raises(ValueError, match="not finite"):
        mmr(np.array([1]), np.array([-np.inf]), VECTORS, 1, 0.5)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_sorting_by_the_values_is_the_order_and_they_never_rise(seed, trade_off):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(12, 4))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    scores = rng.normal(size=12)
    vectors = np.vstack([np.zeros(4), rows])
    order = mmr(np.arange(1, 13), scores, vectors, 12, trade_off) - 1
    values = mmr_values(rows, scores, trade_off)
    assert (np.diff(values[order]) <= 1e-12).all()
    assert np.argsort(-values, kind="stable").tolist() == order.tolist()
