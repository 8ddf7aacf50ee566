import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.catalog.models import Catalog
from recommender.catalog.rules import (
    DEFAULT_RULES,
    EVENT_TYPES,
    canonical,
    is_on_scale,
    rules_of,
    strength,
)


def films(**fields) -> Catalog:
    return Catalog(scenario="films", slug="films", **fields)


@pytest.mark.parametrize(
    ("value", "expected"), [(5.0, 1.0), (4.0, 1.0), (3.5, 0.5), (2.75, 0.5), (2.5, 0.0), (None, 0)]
)
def test_a_rating_counts_whole_when_liked_half_from_the_middle_and_not_below(value, expected):
    # The scale runs from 0.5 to 5: its middle is 2.75.
    assert strength(films(), "rating", value) == expected


@pytest.mark.parametrize("type", ["impression", "dismiss", "undo", "custom", "unheard of"])
def test_looking_refusing_and_unknown_things_speak_for_nothing(type):
    assert strength(films(), type, 5.0) == 0.0


def test_a_catalogs_own_rules_replace_the_defaults():
    own = {"click": {"weight": 0.7, "half_life_days": 3, "role": "weak"}}
    catalog = films(event_rules=own)
    assert list(rules_of(catalog)) == ["click"]
    assert strength(catalog, "click", None) == 0.7
    assert strength(catalog, "like", None) == 0.0


@pytest.mark.parametrize("scenario", sorted(DEFAULT_RULES))
def test_every_scenario_knows_only_named_types_and_sound_numbers(scenario):
    for name, rule in rules_of(Catalog(scenario=scenario)).items():
        assert name in EVENT_TYPES
        assert 0 <= rule.weight <= 1
        assert rule.half_life_days > 0


def test_ratings_and_purchases_mark_an_item_as_seen_even_in_old_tables():
    stored = {
        name: {"weight": 1.0, "half_life_days": 9, "role": role}
        for name, role in (("rating", "rating"), ("purchase", "positive"), ("like", "positive"))
    }
    seen = {name for name, rule in rules_of(films(event_rules=stored)).items() if rule.marks_seen}
    assert seen == {"rating", "purchase"}


def test_view_is_another_name_for_impression():
    assert [canonical("view"), canonical("click")] == ["impression", "click"]


@given(st.integers(1, 10))
def test_every_half_star_is_on_the_scale(halves):
    assert is_on_scale(films(), halves / 2)


@pytest.mark.parametrize("value", [0.0, 0.4, 0.6, 4.75, 5.5, -1.0, float("nan"), float("inf")])
def test_everything_else_is_off_the_scale(value):
    assert not is_on_scale(films(), value)
