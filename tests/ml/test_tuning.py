"""What is proposed next: the defaults, then within bounds, never twice, always the same."""

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.ml import tuning
from recommender.ml.models import MODELS
from recommender.ml.recipes import RECIPES
from recommender.ml.search_space import SPACES, Choice, Range
from recommender.ml.tuning import Tried, propose

SPACE = {
    "size": Range(1, 9),
    "rate": Range(0.001, 1.0, is_log=True),
    "heads": Choice((1, 2, 4)),
}
DEFAULTS = {"size": 3, "rate": 0.1, "heads": 2, "epochs": 5}


def run(value: Any, n: int, seed: int = 1) -> list[Tried]:
    """Propose and judge by a function, n times."""
    past: list[Tried] = []
    for _ in range(n):
        proposal = propose(SPACE, DEFAULTS, past, seed)
        assert proposal
        past.append(Tried(proposal.settings, "finished", value(proposal.settings)))
    return past


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_a_space_of_its_own_fields_that_holds_its_defaults(name):
    known = {field.name for field in fields(MODELS[name].Config)}
    assert set(SPACES[name]) <= known
    defaults = RECIPES[name].defaults
    outside = {field: defaults[field] for field, knob in SPACES[name].items()
               if not knob.holds(defaults[field])}  # fmt: skip
    assert outside == {}


def test_there_is_no_space_without_a_recipe():
    assert set(SPACES) == set(RECIPES)


@pytest.mark.parametrize("name", [name for name, space in SPACES.items() if space])
def test_every_model_accepts_both_ends_of_its_space(name):
    for pick in (0, -1):
        ends = {
            field: knob.values[pick] if isinstance(knob, Choice) else (knob.low, knob.high)[pick]
            for field, knob in SPACES[name].items()
        }
        assert MODELS[name](MODELS[name].Config(**ends)).config


def test_the_first_proposal_is_the_defaults_of_what_may_vary():
    proposal = propose(SPACE, DEFAULTS, [], 1)
    assert proposal and proposal.settings == {"size": 3, "rate": 0.1, "heads": 2}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**63 - 1))
def test_proposals_stay_in_the_space_and_are_never_repeated(seed):
    past = run(lambda tried: -abs(tried["size"] - 7), 12, seed)
    for tried in past:
        assert all(knob.holds(tried.settings[name]) for name, knob in SPACE.items())
        assert float(f"{tried.settings['rate']:.3g}") == tried.settings["rate"]
    assert len({str(tried.settings) for tried in past}) == 12


def test_the_same_past_and_seed_give_the_same_proposal():
    past = run(lambda tried: tried["rate"], 11)
    first, again = (propose(SPACE, DEFAULTS, past, 1) for _ in range(2))
    other = propose(SPACE, DEFAULTS, past, 2)
    assert first and again and other
    assert first.settings == again.settings != other.settings


def test_it_learns_where_the_good_settings_lie():
    past = run(lambda tried: -abs(tried["rate"] - 0.004) - abs(tried["size"] - 8) / 50, 30)
    late = [tried.settings["rate"] for tried in past[-10:]]
    early = [tried.settings["rate"] for tried in past[1:9]]
    assert sorted(late)[5] < 0.03 < sorted(early)[5]


def test_a_space_that_is_used_up_gives_nothing():
    space = {"heads": Choice((1, 2))}
    past = [Tried({"heads": n}, "finished", 0.5) for n in (2, 1)]
    assert propose(space, DEFAULTS, past[:1], 1).settings == {"heads": 1}
    assert propose(space, DEFAULTS, past, 1) is None


def test_failed_trials_and_those_of_another_space_are_not_learned_from():
    past = [
        Tried({"size": 3, "rate": 0.1, "heads": 2}, "failed", None),
        Tried({"size": 99, "rate": 0.1, "heads": 2}, "finished", 9.0),
        Tried({"colour": 1}, "finished", 9.0),
    ]
    proposal = propose(SPACE, DEFAULTS, past, 1)
    assert proposal and SPACE["size"].holds(proposal.settings["size"])


def others(n: int) -> list[Tried]:
    """Return n finished trials that went .1, .2, .3, .4."""
    return [
        Tried({"size": 1 + k, "rate": 0.1, "heads": 1}, "finished", 0.4, (0.1, 0.2, 0.3, 0.4))
        for k in range(n)
    ]


def test_a_trial_below_the_median_is_hopeless_from_the_third_epoch():
    proposal = propose(SPACE, DEFAULTS, others(tuning.JUDGED_TRIALS), 1)
    assert proposal
    assert [proposal.is_hopeless(epoch, 0.01) for epoch in (1, 2, 3)] == [False, False, True]


def test_a_trial_above_the_median_goes_on():
    proposal = propose(SPACE, DEFAULTS, others(tuning.JUDGED_TRIALS), 1)
    assert proposal
    assert not any(proposal.is_hopeless(epoch, 0.5) for epoch in (1, 2, 3, 4))


def test_nothing_is_hopeless_before_enough_have_finished():
    proposal = propose(SPACE, DEFAULTS, others(tuning.JUDGED_TRIALS - 1), 1)
    assert proposal
    assert not any(proposal.is_hopeless(epoch, 0.0) for epoch in (1, 2, 3, 4))


def test_a_boolean_is_no_number():
    assert not Range(0, 4).holds(True)
    assert not Choice((1, 2)).holds(True)
