"""The mixture: replays, closed formulas, and that draws follow them."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from recommender.ml.policy import (
    Mixture,
    contender_logits,
    deterministic_draw,
    draw,
    prefix_probabilities,
    replay,
)

ALPHAS = np.array([0.91, 0.05, 0.02, 0.02])


def mixture_of(seed, n=6, alphas=ALPHAS):
    rng = np.random.default_rng(seed)
    rows = [contender_logits(rng.normal(size=n), 0.4) for _ in alphas[:-1]]
    return Mixture(np.stack([*rows, np.zeros(n, np.float32)]), alphas)


def at_most_two_even(order):
    """A category cap: no third even candidate."""
    out = np.zeros(6, dtype=bool)
    out[::2] = sum(1 for place in order if place % 2 == 0) >= 2
    return out


def second_place_odd(order):
    """A rule that lets candidates back in: what lost at one place may win at the next."""
    out = np.zeros(6, dtype=bool)
    out[::2] = len(order) == 1
    return out


@pytest.mark.parametrize("rule", [None, at_most_two_even, second_place_odd])
def test_a_logged_draw_replays_bit_for_bit(rule):  # T-LOG2
    for seed in range(200):
        mixture = mixture_of(seed)
        first = draw(mixture, 4, seed, rule)
        again = replay(Mixture(mixture.logits.copy(), mixture.alphas), 4, seed, first.masks)
        assert first.order.tolist() == again.order.tolist()
        assert first.log_p_prefix.tobytes() == again.log_p_prefix.tobytes()
        assert first.p_cond.tobytes() == again.p_cond.tobytes()
        assert first.component == again.component


def test_a_list_that_ended_early_ends_early_again():
    def only_two(order):
        return np.full(6, len(order) >= 2)

    first = draw(mixture_of(1), 5, 9, only_two)
    assert len(first.order) == 2
    assert replay(mixture_of(1), 5, 9, first.masks).order.tolist() == first.order.tolist()


@given(st.integers(0, 2**63 - 1), st.integers(1, 8))
def test_the_prefix_is_the_product_of_its_steps(seed, k):  # T-LOG3
    drawn = draw(mixture_of(seed % 97), k, seed)
    assert len(set(drawn.order.tolist())) == min(k, 6)
    assert np.all((drawn.p_cond > 0) & (drawn.p_cond <= 1))
    np.testing.assert_allclose(drawn.log_p_prefix, np.cumsum(np.log(drawn.p_cond)), atol=1e-5)


@pytest.mark.parametrize("rule", [None, at_most_two_even, second_place_odd])
def test_all_lists_together_have_probability_1(rule):
    mixture, total = mixture_of(3), 0.0
    for order in itertools.permutations(range(6), 3):
        masks = [] if rule is None else [np.flatnonzero(rule(order[:step])) for step in range(3)]
        if any(place in mask for place, mask in zip(order, masks, strict=False)):
            continue
        total += math.exp(prefix_probabilities(mixture, np.array(order), masks)[-1])
    assert total == pytest.approx(1, abs=1e-9)


def test_two_places_worked_by_hand():
    # Odds 1 : 2 : 1 with weight 1/2, uniform with weight 1/2; the list (b, a).
    mixture = Mixture(
        np.array([[0, math.log(2), 0], [0, 0, 0]], dtype=np.float32), np.array([0.5, 0.5])
    )
    logs = prefix_probabilities(mixture, np.array([1, 0]))
    expected = [(1 / 2 + 1 / 3) / 2, (1 / 2 * 1 / 2 + 1 / 3 * 1 / 2) / 2]
    np.testing.assert_allclose(np.exp(logs), expected, atol=1e-7)


@pytest.mark.parametrize("rule", [None, at_most_two_even, second_place_odd])
def test_draws_follow_the_formula(rule):  # P-GOF
    mixture = mixture_of(5, alphas=np.array([0.5, 0.2, 0.1, 0.2]))
    drawn = [tuple(draw(mixture, 3, seed, rule).order.tolist()) for seed in range(3000)]
    chances = {}
    for order in itertools.permutations(range(6), 3):
        masks = [] if rule is None else [np.flatnonzero(rule(order[:step])) for step in range(3)]
        if not any(place in mask for place, mask in zip(order, masks, strict=False)):
            logs = prefix_probabilities(mixture, np.array(order), masks)
            chances[order] = math.exp(logs[-1])
    large = [order for order, chance in chances.items() if chance * 3000 >= 5]
    observed = [drawn.count(order) for order in large]
    expected = [chances[order] * 3000 for order in large]
    if (rare := 3000 - sum(expected)) > 1:
        observed, expected = [*observed, 3000 - sum(observed)], [*expected, rare]
    assert sum(observed) == 3000
    assert chisquare(observed, expected).pvalue > 0.001


def test_a_rule_is_obeyed_and_its_masks_are_noted():
    drawn = draw(mixture_of(2), 5, 11, at_most_two_even)
    assert sum(1 for place in drawn.order if place % 2 == 0) == 2
    assert len(drawn.masks) == len(drawn.order)


def test_the_best_list_has_probability_1():  # P-OFF
    drawn = deterministic_draw(np.array([0.1, 0.9, 0.9, -np.inf]), 4)
    assert drawn.order.tolist() == [1, 2, 0]
    assert drawn.p_cond.tolist() == [1, 1, 1]
    assert drawn.log_p_prefix.tolist() == [0, 0, 0]
    assert drawn.masks == ()


def test_logits_are_scores_in_units_of_tau_deviations():
    z = contender_logits(np.array([1.0, 3.0]), 0.5)
    assert z.tolist() == [-2, 2]
    assert z.dtype == np.float32
    assert contender_logits(np.ones(3), 0.5).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="tau is 0"):
        contender_logits(np.ones(3), 0)


@pytest.mark.parametrize(
    ("logits", "alphas", "message"),
    [
        (np.zeros((2, 3), np.float32), [0.5, 0.4], "do not sum to 1"),
        (np.zeros((2, 3), np.float32), [1.5, -0.5], "do not sum to 1"),
        (np.zeros((2, 3)), [0.5, 0.5], "finite float32"),
        (np.full((2, 3), -np.inf, np.float32), [0.5, 0.5], "finite float32"),
        (np.zeros((1, 3), np.float32), [0.5, 0.5], r"need \(m, C\)"),
    ],
)
def test_a_mixture_that_could_not_be_replayed_is_refused(logits, alphas, message):
    with pytest.raises(ValueError, match=message):
        Mixture(logits, np.array(alphas))


@given(st.integers(0, 2**63 - 1))
def test_a_longer_draw_of_the_same_seed_begins_with_the_shorter_one(seed):
    mixture = mixture_of(seed % 89)
    short, long = draw(mixture, 3, seed), draw(mixture, 6, seed)
    assert long.order[:3].tolist() == short.order.tolist()
    np.testing.assert_allclose(long.log_p_prefix[:3], short.log_p_prefix, rtol=1e-12)
    assert sorted(long.order.tolist()) == list(range(6))
