import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.sampling import NegativeSampler


def test_half_is_uniform_and_half_follows_popularity():
    share = NegativeSampler(np.array([0, 1, 16]), power=0.75).share
    np.testing.assert_allclose(share, [0, 0.25 + 0.5 / 9, 0.25 + 0.5 * 8 / 9])


def test_draws_follow_the_shares():
    sampler = NegativeSampler(np.array([0, 1, 16]))
    items, _ = sampler.draw(40_000, np.random.default_rng(1))
    found = np.bincount(items, minlength=3) / 40_000
    np.testing.assert_allclose(found, sampler.share, atol=0.01)


def test_log_q_is_the_expected_number_of_draws():
    sampler = NegativeSampler(np.array([0, 1, 16]))
    items, log_q = sampler.draw(50, np.random.default_rng(1))
    np.testing.assert_allclose(np.exp(log_q), 50 * sampler.share[items])


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(0, 1_000))
def test_items_without_events_and_padding_are_never_drawn(counts, seed):
    counts = np.array([9, *counts, 1])
    items, log_q = NegativeSampler(counts).draw(50, np.random.default_rng(seed))
    assert (items > 0).all()
    assert (counts[items] > 0).all()
    assert np.isfinite(log_q).all()


def test_the_same_seed_draws_the_same():
    sampler = NegativeSampler(np.arange(100))
    first, second = (sampler.draw(20, np.random.default_rng(3))[0] for _ in range(2))
    assert first.tolist() == second.tolist()
