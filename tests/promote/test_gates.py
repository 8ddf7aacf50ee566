import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.stats import Interval
from recommender.promote.gates import Beside, Evidence, decide

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


def beside(low, high, n=40, figure=0.5):
    return Beside(Interval((low + high) / 2, low, high, n), figure)


@pytest.mark.parametrize("name", ["new_users", "new_items"])
@pytest.mark.parametrize("evidence", [CHALLENGER, REFRESH, FIRST])
@pytest.mark.parametrize(
    ("difference", "passes"),
    [
        (beside(-0.04, -0.026), False),  # all of it below −5 % of .5
        (beside(-0.04, -0.025), True),  # exactly at the margin
        (beside(-0.04, 0.01), True),
        (beside(0.01, 0.02), True),
        (beside(-0.04, -0.026, n=20), False),
        (beside(-0.04, -0.026, n=19), True),  # too few people to say so
        (beside(-0.04, -0.026, figure=0.6), True),  # 5 % of .6 is .03
        (None, True),
    ],
)
def test_newcomers_and_new_items_block_only_what_is_credibly_worse(
    name, evidence, difference, passes
):
    told = name if evidence.champion_model else f"{name}_first"
    assert failed(replace(evidence, **{name: difference})) == ([] if passes else [told])


@pytest.mark.parametrize("found", [None, beside(-0.4, -0.3, n=7)])
def test_too_few_people_are_said_to_be_too_few(found):
    n = found.difference.n if found else 0
    texts = [check.text for check in decide(replace(CHALLENGER, new_items=found)).checks]
    assert f"New items: not judged, n = {n} people; 20 are needed." in texts


def test_a_loss_of_newcomers_is_told_with_its_interval():
    verdict = decide(replace(CHALLENGER, new_users=beside(-0.06, -0.04)))
    assert verdict.sentence == (
        "It was kept back. Newcomers, after three events, are served worse than by the live "
        "version: NDCG@10 −0.0500 (95% interval −0.0600 to −0.0400, 40 people), more than the "
        "allowed 0.0250."
    )


def test_popularity_is_not_compared_with_itself_for_newcomers():
    worse = beside(-0.4, -0.3)
    assert failed(replace(POPULARITY, new_users=worse, new_items=worse)) == []
    live = replace(POPULARITY, champion_model="popularity", champion_ndcg=0.1, new_users=worse)
    assert "new_users" in failed(replace(live, against_champion=SAME, champion_coverage=0.3))


def test_the_verdict_says_in_words_what_decided():
    verdict = decide(replace(CHALLENGER, against_champion=UNSURE))
    assert verdict.sentence == (
        "It was kept back. NDCG@10 is not shown to be above the live version: difference +0.0100 "
        "(95% interval −0.0100 to +0.0300)."
    )
    assert decide(CHALLENGER).sentence.startswith("It passed the gate and went live. NDCG@10 is")


intervals = st.tuples(*[st.floats(-1, 1)] * 3).map(lambda v: Interval(v[0], min(v), max(v), 9))


@given(found=intervals, n=st.integers(0, 60))
def test_a_guard_never_blocks_what_could_be_as_good(found, n):
    found = replace(found, n=n)
    verdict = decide(replace(CHALLENGER, new_users=Beside(found, 0.3)))
    assert verdict.is_better or (n >= 20 and found.high < 0)


@given(difference=intervals, coverage=st.floats(0, 1))
def test_what_is_worse_in_every_number_never_passes_where_the_better_fails(difference, coverage):
    evidence = replace(CHALLENGER, against_champion=difference, coverage=coverage)
    worse = replace(
        evidence,
        against_champion=replace(difference, low=difference.low - 0.1),
        coverage=coverage / 2,
    )
    assert decide(worse).is_better <= decide(evidence).is_better
