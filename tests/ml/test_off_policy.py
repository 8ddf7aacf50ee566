"""Estimates against worlds whose truth is known."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.off_policy import LEAST_USERS, Lists, estimate
from recommender.ml.placement import marginals
from recommender.ml.policy import Mixture, draw, prefix_probabilities

C, K = 12, 4
N_TASTES = 8  # kinds of people, each with scores of its own
THETA = np.array([1.0, 0.7, 0.5, 0.4])  # share of people who look at a place
ALPHAS = np.array([0.94, 0.06])  # champion and uniform


@dataclass(frozen=True)
class World:
    """Tastes, two policies and what each of their lists earns on average."""

    appeal: np.ndarray  # (T, C) chance of a click where looked at
    logging: list[Mixture]
    target: list[Mixture]
    logged: np.ndarray  # (T, C, K) marginals
    wanted: np.ndarray
    reads_down: bool  # people stop after a click: a cascade

    def rewards(self, taste, orders, rng):
        looked = rng.random((len(orders), K)) < THETA
        clicks = looked & (rng.random((len(orders), K)) < self.appeal[taste][orders])
        if self.reads_down:
            before = np.cumsum(clicks, axis=1) - clicks
            clicks = clicks & (before == 0)
        return clicks.astype(float)

    def truth(self, n=40_000):
        """Average what the target's own lists earn."""
        if not self.reads_down:
            per_taste = np.einsum("tck,k,tc->t", self.wanted, THETA, self.appeal)
            return float(per_taste.mean())
        rng, totals = np.random.default_rng(0), []
        for taste, mixture in enumerate(self.target):
            orders = np.array([draw(mixture, K, seed).order for seed in range(n // N_TASTES)])
            totals.append(self.rewards(taste, orders, rng).sum(axis=1).mean())
        return float(np.mean(totals))

    def lists(self, n, seed, per_user=3):
        rng = np.random.default_rng(seed)
        users = np.arange(n) // per_user
        tastes = users % N_TASTES
        orders = np.zeros((n, K), np.int64)
        logged, wanted = np.zeros((n, K)), np.zeros((n, K))
        prefixes = np.zeros((2, n, K))
        rewards = np.zeros((n, K))
        for at, taste in enumerate(tastes):
            order = draw(self.logging[taste], K, int(rng.integers(2**62))).order
            orders[at] = order
            logged[at] = self.logged[taste][order, np.arange(K)]
            wanted[at] = self.wanted[taste][order, np.arange(K)]
            prefixes[0, at] = prefix_probabilities(self.logging[taste], order)
            prefixes[1, at] = prefix_probabilities(self.target[taste], order)
        for taste in range(N_TASTES):
            rows = tastes == taste
            rewards[rows] = self.rewards(taste, orders[rows], rng)
        return Lists(users, rewards, logged, wanted, prefixes[0], prefixes[1], np.zeros(n))


def world(*, closeness, reads_down=False, seed=3):
    """Build a world whose target agrees with the champion to a degree."""
    rng = np.random.default_rng(seed)
    appeal = rng.beta(1.2, 6, (N_TASTES, C))
    champion = rng.normal(size=(N_TASTES, C)) + 2 * appeal
    other = closeness * champion + (1 - closeness) * rng.normal(size=(N_TASTES, C))

    def mixtures(scores):
        z = scores / (0.8 * scores.std(axis=1, keepdims=True))
        flat = np.zeros_like(z)
        return [
            Mixture(np.stack(pair).astype(np.float32), ALPHAS) for pair in zip(z, flat, strict=True)
        ]

    logging, target = mixtures(champion), mixtures(other)
    return World(
        appeal,
        logging,
        target,
        np.stack([marginals(m, K) for m in logging]),
        np.stack([marginals(m, K) for m in target]),
        reads_down,
    )


@pytest.fixture(scope="module")
def near():
    return world(closeness=0.6)


def test_intervals_hold_the_truth_as_often_as_they_say(near):  # O-1
    truth, held, refused, values = near.truth(), 0, 0, []
    for seed in range(100):
        card = estimate(near.lists(900, seed))
        refused += bool(card.refusals)
        values.append(card.by_item.value.value)
        held += card.by_item.value.low <= truth <= card.by_item.value.high
    assert 88 <= held <= 99
    assert refused <= 3
    assert abs(np.mean(values) / truth - 1) <= 0.02


def test_what_was_logged_is_no_estimate_of_the_target(near):
    earned = np.mean([estimate(near.lists(900, seed)).earned.value for seed in range(20)])
    assert abs(earned / near.truth() - 1) > 0.05  # the bias that weighing takes away


def test_the_difference_is_sharper_than_two_intervals(near):
    card = estimate(near.lists(3_000, 1))
    wide = card.by_item.value.high - card.by_item.value.low + card.earned.high - card.earned.low
    assert card.by_item.difference.high - card.by_item.difference.low < wide
    truth = near.truth() - card.earned.value
    assert card.by_item.difference.low <= truth <= card.by_item.difference.high


def test_the_policy_itself_is_estimated_exactly(near):  # O-4
    lists = near.lists(900, 5)
    same = replace(lists, target=lists.logged, target_prefix=lists.logged_prefix)
    card = estimate(same)
    for reading in (card.by_item, card.by_prefix):
        assert reading.value.value == pytest.approx(card.earned.value, abs=1e-12)
        assert reading.difference.low == pytest.approx(0, abs=1e-12)
        assert reading.difference.high == pytest.approx(0, abs=1e-12)
        assert reading.sample == pytest.approx(900)
    assert card.refusals == ()
    assert not card.is_cascade


def test_people_who_stop_after_a_click_are_read_by_prefix():  # O-2
    cascade = world(closeness=0.8, reads_down=True)
    truth, held = cascade.truth(), 0
    for seed in range(40):
        card = estimate(cascade.lists(900, seed))
        held += card.by_prefix.value.low <= truth <= card.by_prefix.value.high
    assert held >= 33


def test_where_the_readings_disagree_the_one_by_prefix_is_shown(near):
    lists = near.lists(4_000, 1)
    card = estimate(replace(lists, target_prefix=lists.logged_prefix))
    assert card.is_cascade
    assert card.shown is card.by_prefix
    assert not estimate(lists).is_cascade


def test_an_unrelated_policy_is_refused():  # O-6
    far = world(closeness=0.0)
    sharp = [
        Mixture(np.stack([6 * m.logits[0], m.logits[1]]).astype(np.float32), np.array([1.0, 0.0]))
        for m in far.target
    ]
    sharper = replace(far, target=sharp, wanted=np.stack([marginals(m, K) for m in sharp]))
    refused = sum(bool(estimate(sharper.lists(900, seed)).refusals) for seed in range(20))
    assert refused >= 19


def test_one_wrong_propensity_in_a_hundred_is_noticed(near):  # O-5
    lists = near.lists(900, 2)
    logged = lists.logged.copy()
    logged[::100] /= 1_000
    assert "weights" in estimate(replace(lists, logged=logged)).refusals


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"outside": np.full(900, 0.06)}, "outside"),
        ({"fallback_share": 0.11}, "fallback"),
        ({"users": np.arange(900) % (LEAST_USERS - 1)}, "users"),
    ],
)
def test_each_rule_refuses_by_its_name(near, change, reason):
    assert estimate(replace(near.lists(900, 1), **change)).refusals == (reason,)


def test_lists_that_end_early_count_by_the_places_they_have(near):
    lists = near.lists(900, 4)
    rewards = lists.rewards.copy()
    rewards[::2, 2:] = np.nan
    short = replace(lists, rewards=rewards)
    same = replace(short, target=short.logged, target_prefix=short.logged_prefix)
    assert estimate(same).by_item.value.value == pytest.approx(estimate(short).earned.value)


@given(st.integers(0, 1_000))
def test_rewards_all_alike_are_estimated_without_error(seed):
    rng = np.random.default_rng(seed)
    chances = rng.uniform(0.05, 1, (2, 300, K))
    prefix = np.log(np.cumprod(chances, axis=2))
    lists = Lists(
        np.arange(300), np.full((300, K), 0.5), chances[0], chances[1], *prefix, np.zeros(300)
    )
    card = estimate(lists)
    assert card.by_item.value.value == pytest.approx(0.5 * K)
    assert card.by_item.value.high - card.by_item.value.low == pytest.approx(0, abs=1e-9)


def test_places_that_could_not_have_been_drawn_are_refused(near):
    lists = near.lists(30, 1)
    with pytest.raises(ValueError, match="have no chance"):
        replace(lists, logged=np.zeros_like(lists.logged))
    with pytest.raises(ValueError, match="no list"):
        estimate(Lists(np.zeros(0, int), *[np.zeros((0, K))] * 5, np.zeros(0)))
    with pytest.raises(ValueError, match="for 30 lists"):
        replace(lists, rewards=lists.rewards[:, :2])
