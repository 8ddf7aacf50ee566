"""Marginal chances by quadrature: against enumeration, sampling and the floor."""

import itertools

import numpy as np
import pytest
from scipy.stats import chisquare

from recommender.ml.placement import marginals, placement
from recommender.ml.policy import Mixture, contender_logits, draw, prefix_probabilities


def enumerated(mixture, k):
    """Add up the chance of every list."""
    table = np.zeros((mixture.n_candidates, k))
    for order in itertools.permutations(range(mixture.n_candidates), k):
        chance = np.exp(prefix_probabilities(mixture, np.array(order))[-1])
        for rank, place in enumerate(order):
            table[place, rank] += chance
    return table


@pytest.fixture
def mixture():
    rng = np.random.default_rng(4)
    rows = [contender_logits(rng.normal(size=6), tau) for tau in (0.1, 0.5)]
    return Mixture(np.stack([*rows, np.zeros(6, np.float32)]), np.array([0.9, 0.08, 0.02]))


def test_quadrature_is_what_enumeration_gives(mixture):
    np.testing.assert_allclose(marginals(mixture, 4), enumerated(mixture, 4), atol=1e-7)


@pytest.mark.parametrize("tau", [0.05, 0.2, 0.5, 5.0])
@pytest.mark.parametrize("k", [1, 10, 20])
def test_every_place_is_filled_by_somebody(tau, k):  # T-LOG3
    z = contender_logits(np.random.default_rng(8).normal(size=60), tau)
    chances = placement(z.astype(float), k)
    np.testing.assert_allclose(chances.sum(axis=0), 1, atol=1e-6)
    assert chances.sum(axis=1).max() <= 1 + 1e-6


def test_a_full_list_places_everybody(mixture):
    chances = marginals(mixture, 6)
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-6)
    assert marginals(mixture, 8)[:, 6:].tolist() == [[0, 0]] * 6


def test_candidates_far_apart_need_no_finer_grid():
    z = np.array([60.0, 30.0, 0.0])  # the order is as good as certain
    np.testing.assert_allclose(placement(z, 2), [[1, 0], [0, 1], [0, 0]], atol=3e-9)


def test_the_first_place_is_a_softmax():
    z = np.random.default_rng(9).normal(size=20) * 4
    expected = np.exp(z) / np.exp(z).sum()
    np.testing.assert_allclose(placement(z, 3)[:, 0], expected, atol=1e-8)


def test_no_candidate_falls_below_its_share_of_the_uniform_part():  # P-FLOOR
    z = contender_logits(np.random.default_rng(1).normal(size=60), 0.05)
    mixture = Mixture(np.stack([z, np.zeros(60, np.float32)]), np.array([0.98, 0.02]))
    assert marginals(mixture, 10).min() >= 0.02 / 60 - 1e-15


def test_draws_land_where_the_marginals_say(mixture):  # P-GOF
    n = 2000
    counts = np.zeros((6, 3))
    for seed in range(n):
        counts[draw(mixture, 3, seed).order, np.arange(3)] += 1
    expected = marginals(mixture, 3) * n
    for rank in range(3):
        scaled = expected[:, rank] * n / expected[:, rank].sum()
        assert chisquare(counts[:, rank], scaled).pvalue > 0.001
