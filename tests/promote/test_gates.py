import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.stats import Interval
from recommender.promote.gates import Evidence, decide

LISTS = [[user + 1, user + 2, user + 3] for user in range(20)]
GAIN, LOSS = Interval(0.02, 0.01, 0.03, 40), Interval(-0.02, -0.03, -0.01, 40)
UNSURE, SAME = Interval(0.01, -0.01, 0.03, 40), Interval(0.0, 0.0, 0.0, 40)

CHALLENGER = Evidence(
    model="transformer",
    champion_model="item_knn",
    artifact_fault="",
    champion_ndcg=0.10,
    against_champion=GAIN,
    against_popularity=GAIN,
    coverage=0.30,
    champion_coverage=0.40,
    lists=LISTS,
)
REFRESH = replace(CHALLENGER, champion_model="transformer")
FIRST = replace(
    CHALLENGER,
    champion_model=None,
    champion_ndcg=None,
    against_champion=None,
    champion_coverage=None,
)
POPULARITY = replace(FIRST, model="popularity", against_popularity=SAME, lists=[[1, 2, 3]] * 20)


def failed(evidence: Evidence) -> list[str]:
    verdict = decide(evidence)
    names = [check.name for check in verdict.checks if not check.passed]
    assert verdict.is_better == (not names)
    return names


def test_a_challenger_that_passes_every_check_goes_live():
    assert failed(CHALLENGER) == []


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"artifact_fault": "vectors.npy: its sha256 is wrong"}, "artifact"),
        ({"lists": []}, "lists"),
        ({"lists": [[1, 2, 0], *LISTS]}, "lists"),
        ({"lists": [[1, 1, 2], *LISTS]}, "lists"),
        ({"lists": [[]]}, "lists"),
        ({"lists": [[1, 2, 3]] * 20}, "lists"),
        ({"against_champion": UNSURE}, "champion"),
        ({"against_champion": LOSS}, "champion"),
        ({"against_champion": SAME}, "champion"),
        ({"against_champion": None}, "champion"),
        ({"against_champion": Interval(0.1, math.nan, math.nan, 1)}, "champion"),
        ({"against_popularity": UNSURE}, "popularity"),
        ({"against_popularity": None}, "popularity"),
        ({"coverage": 0.199}, "coverage"),
        ({"coverage": math.nan}, "coverage"),
    ],
)
def test_a_challenger_that_fails_one_check_is_kept_back_by_that_check(change, check):
    assert failed(replace(CHALLENGER, **change)) == [check]


def test_half_the_champions_coverage_is_just_enough():
    assert failed(replace(CHALLENGER, coverage=0.20)) == []


@pytest.mark.parametrize(
    ("low", "passes"), [(-0.0009, True), (-0.001, False), (-0.0011, False), (0.0, True)]
)
def test_a_refresh_may_lose_at_most_one_percent_of_the_champions_ndcg(low, passes):
    evidence = replace(REFRESH, against_champion=Interval(0.0, low, 0.01, 40))
    assert (failed(evidence) == []) is passes


def test_the_same_loss_is_too_much_for_a_new_recipe():
    small = Interval(0.0005, -0.0005, 0.0015, 40)
    assert failed(replace(REFRESH, against_champion=small)) == []
    assert failed(replace(CHALLENGER, against_champion=small)) == ["champion"]


def test_the_first_version_goes_live_unless_it_is_shown_to_be_worse_than_popularity():
    assert failed(FIRST) == []
    assert failed(replace(FIRST, against_popularity=UNSURE)) == []
    assert failed(replace(FIRST, against_popularity=LOSS)) == ["first"]
    assert failed(replace(FIRST, against_popularity=None)) == ["popularity"]


def test_popularity_may_be_first_and_gives_everybody_the_same_list():
    assert failed(POPULARITY) == []


def test_popularity_is_refreshed_but_never_replaces_what_beats_it():
    own = replace(
        POPULARITY,
        champion_model="popularity",
        champion_ndcg=0.1,
        against_champion=SAME,
        champion_coverage=0.3,
    )
    assert failed(own) == []
    assert "popularity" in failed(replace(own, champion_model="item_knn"))


def test_the_verdict_says_in_words_what_decided():
    verdict = decide(replace(CHALLENGER, against_champion=UNSURE))
    assert verdict.sentence == (
        "It was kept back. NDCG@10 is not shown to be above the live version: difference +0.0100 "
        "(95% interval −0.0100 to +0.0300)."
    )
    assert decide(CHALLENGER).sentence.startswith("It passed the gate and went live. NDCG@10 is")


intervals = st.tuples(*[st.floats(-1, 1)] * 3).map(lambda v: Interval(v[0], min(v), max(v), 9))


@given(difference=intervals, coverage=st.floats(0, 1))
def test_what_is_worse_in_every_number_never_passes_where_the_better_fails(difference, coverage):
    evidence = replace(CHALLENGER, against_champion=difference, coverage=coverage)
    worse = replace(
        evidence,
        against_champion=replace(difference, low=difference.low - 0.1),
        coverage=coverage / 2,
    )
    assert decide(worse).is_better <= decide(evidence).is_better
