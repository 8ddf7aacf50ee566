"""Newcomers and new items on a version's page: figures, sentences, and what was not judged."""

import pytest
from django.test import Client

from recommender.dashboard import queries_models
from recommender.dashboard.cold import cold_start
from tests.dashboard.world import World, cold, measured


def shown(world: World, found):
    measured(world.live, 0.15, cold=found)
    return cold_start(queries_models.version_row(world.catalog, 2).measured)


def test_each_group_has_its_figures_beside_champion_and_baselines(world: World):
    lines = shown(world, cold()).lines
    assert [(line.group, line.metric, line.n) for line in lines] == [
        ("After 1 event", "ndcg@10", 90),
        ("After 1 event", "hit_rate@10", 90),
        ("After 3 events", "ndcg@10", 80),
        ("After 3 events", "hit_rate@10", 80),
        ("After 5 events", "ndcg@10", 30),
        ("After 5 events", "hit_rate@10", 30),
        ("New items", "auc", 60),
        ("New items", "hit@10", 60),
    ]
    assert [figure.value for figure in lines[6].figures] == [0.7, 0.7, 0.1, 0.1]
    assert [line.is_small for line in lines] == [False] * 4 + [True] * 2 + [False] * 2


@pytest.mark.parametrize(
    ("gap", "said"),
    [
        (0.05, "better than the live version's"),
        (0.01, "not to be told apart from the live version's"),
        (-0.05, "worse than the live version's"),
    ],
)
def test_the_sentence_says_only_what_the_interval_shows(world: World, gap, said):
    first = shown(world, cold(gap=gap)).sentences[0]
    numbers = f"NDCG@10 {gap:+.3f} [{gap - 0.02:+.3f} … {gap + 0.02:+.3f}]".replace("-", "−")
    assert first == f"After three events, newcomers' lists are {said}: {numbers}, n = 80."


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.2, "better than popularity's"),
        (-0.1, 0.2, "not to be told apart from popularity's"),
        (-0.2, -0.1, "worse than popularity's"),
    ],
)
def test_without_a_live_version_popularity_stands_in(world: World, low, high, said):
    found = cold()
    gap = {"value": (low + high) / 2, "low": low, "high": high, "n": 80}
    found["users"]["3"]["paired"] = {"ndcg@10:popularity": gap}
    assert f"lists are {said}: NDCG@10 " in shown(world, found).sentences[0]


def test_new_items_are_told_against_chance(world: World):
    assert shown(world, cold(auc=0.74)).sentences[1:] == [
        "A new item that people took outscores other new ones in 74 % (chance: 50 %).",
        "Among 99 known items it is in the first ten in 74 % (chance: 10 %).",
    ]


def test_what_was_not_judged_says_why(world: World):
    found = cold(n_users=0)
    found["users"]["3"]["paired"] = {"ndcg@10:popularity": {"value": None, "n": 0}}
    found["items"]["n_items"] = 0
    assert shown(world, found).sentences == [
        "Nobody in the window had only just come, so newcomers were not judged.",
        "This version held no items out of training, so new items were not judged.",
    ]
    nobody = cold()
    nobody["items"]["metrics"] = {"auc": {"value": None}, "hit@10": {"value": None}}
    assert shown(world, nobody).sentences[1:] == [
        "Nobody took a held-out item in the window, so new items were not judged."
    ]


def test_the_page_shows_the_block_with_intervals(world: World, ops: Client):
    measured(world.live, 0.15, cold=cold())
    page = ops.get("/ops/models/2/").content.decode()
    assert "New users and new items" in page
    assert "0.700 <small>0.680 – 0.720</small>" in page
    assert "Live version then" in page


def test_an_evaluation_of_an_earlier_release_has_no_block(world: World, ops: Client):
    assert shown(world, {}) is None
    assert "New users and new items" not in ops.get("/ops/models/2/").content.decode()


def test_comparing_sets_both_versions_figures_side_by_side(world: World, ops: Client):
    measured(world.live, 0.15, cold=cold(auc=0.71))
    assert not ops.get("/ops/models/compare/?a=1&b=2").context["cold"]
    measured(world.first, 0.15, cold=cold(auc=0.52))
    answer = ops.get("/ops/models/compare/?a=1&b=2")
    one, two = answer.context["cold"][6]
    assert (one.figures[0].value, two.figures[0].value) == (0.52, 0.71)
    assert "After 3 events" in answer.content.decode()
