from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.simulate.world import World, WorldConfig

CATEGORIES = [["Drama"], ["Comedy"], ["Drama", "Comedy"], ["Action"], []]


def test_the_same_seed_draws_the_same_world() -> None:
    one, two = World(WorldConfig(seed=3), CATEGORIES), World(WorldConfig(seed=3), CATEGORIES)
    assert one.visitors[5].age == two.visitors[5].age
    assert np.array_equal(one.visitors[5].taste, two.visitors[5].taste)
    assert np.array_equal(one.quality, two.quality)


def test_taste_moves_clicks() -> None:
    world = World(WorldConfig(), CATEGORIES)
    visitor = world.visitors[0]
    favorite = world.names[int(np.argmax(visitor.taste))]
    worst = world.names[int(np.argmin(visitor.taste))]
    both = [CATEGORIES.index([name]) for name in (favorite, worst)]
    world.appeal[:] = 0
    world.quality[:] = 0
    good, bad = world.click_probability(visitor, both)
    assert good > bad


def test_in_the_null_world_everybody_clicks_alike() -> None:
    world = World(WorldConfig(taste_strength=0.0), CATEGORIES)
    chances = [world.click_probability(visitor, range(5)) for visitor in world.visitors]
    assert np.allclose(chances, chances[0])


@given(row=st.integers(1, 9), col=st.integers(1, 30))
def test_lower_and_further_right_is_looked_at_less(row: int, col: int) -> None:
    world = World(WorldConfig(n_visitors=1), CATEGORIES)
    here = world.looked_at(row, col)
    assert 0 < here <= 1
    assert world.looked_at(row, col + 1) < here
    assert world.looked_at(row + 1, col) <= here


@pytest.mark.parametrize("gladness", [-50.0, -1.0, 0.0, 1.0, 50.0])
def test_ratings_stay_on_the_scale_in_half_steps(gladness: float) -> None:
    world = World(WorldConfig(n_visitors=1), CATEGORIES)
    value = world.rating(gladness, np.random.default_rng(1))
    assert 0.5 <= value <= 5.0
    assert (value * 2) == int(value * 2)


def test_age_and_gender_shift_taste() -> None:
    world = World(WorldConfig(n_visitors=400), CATEGORIES)
    women = np.mean([v.taste for v in world.visitors if v.gender == "F"], axis=0)
    men = np.mean([v.taste for v in world.visitors if v.gender == "M"], axis=0)
    assert np.abs(women - men).max() > 0.3
