"""Inspect: two versions side by side, and which stage dropped an item."""

from __future__ import annotations

from datetime import timedelta

import pytest

from recommender import clock
from recommender.catalog.models import Catalog, Item
from recommender.collect.models import Impression, Slate, UserState
from recommender.serve import services
from tests import factories
from tests.serve.conftest import World


def change(world: World, place: int, **fields) -> None:
    Item.objects.filter(pk=world.items[place].pk).update(**fields, changed_seq=2)
    Catalog.objects.filter(pk=world.catalog.pk).update(items_seq=2)


def ask(world: World, user, place: int):
    return services.trace(
        catalog=world.catalog, user=user, item=world.items[place].external_id
    ).why_not


def test_each_rule_that_drops_an_item_is_named(world: World):
    user = world.user(0, 1, 2)
    world.tell(user, "dismiss", 3)
    change(world, 4, is_hidden=True)
    change(world, 5, expires_at=clock.now() - timedelta(seconds=1))
    late = factories.make_item(world.catalog, changed_seq=2)
    world.items.append(late)
    expected = {0: "seen", 3: "dismissed", 4: "hidden_item", 5: "expired", 40: "unknown_to_model"}
    for place, stage in expected.items():
        found = ask(world, user, place)
        assert (found.stage, found.is_shown) == (stage, False)
        assert found.text
    gone = services.trace(catalog=world.catalog, user=user, item="nope").why_not
    assert gone.stage == "unknown_item"


def test_a_shown_item_says_so_and_one_below_gives_its_rank(world: World):
    user = world.user(0, 1, 2)
    trace = services.trace(catalog=world.catalog, user=user)
    first = trace.lists[0].items[0]
    place = [item.pk for item in world.items].index(first.item_id)
    found = ask(world, user, place)
    assert (found.stage, found.is_shown, found.rank) == ("shown", True, 1)
    last = ask(world, user, 39)
    assert (last.stage, last.rank) == ("beyond", 37)
    assert last.text == "Rank 37 by score; it stands below place 20 of the list."


def test_an_item_cut_from_the_candidates_gives_rank_and_cut(world: World, monkeypatch):
    from dataclasses import replace

    from recommender.serve.policy import POLICY

    small = replace(POLICY, n_candidates=30)
    monkeypatch.setattr("recommender.serve.candidates.POLICY", small)
    monkeypatch.setattr("recommender.serve.trace.POLICY", small)
    found = ask(world, world.user(0, 1, 2), 39)
    assert (found.stage, found.rank, found.cut) == ("candidates", 37, 30)
    assert "Rank 37" in found.text
    assert "30" in found.text


def test_an_item_moved_by_diversity_is_told_apart(world: World, monkeypatch):
    user = world.user(0, 1, 2)
    monkeypatch.setattr("recommender.serve.trace.LENGTH", 5)
    trace = services.trace(catalog=world.catalog, user=user)
    shown = {item.item_id for item in trace.lists[0].items}
    stages = {
        ask(world, user, place).stage
        for place, item in enumerate(world.items)
        if item.pk not in shown and place > 2
    }
    ranks = [item.rank_before for item in trace.lists[0].items]
    assert ranks != sorted(ranks)
    assert stages == {"reranked", "beyond"}


def test_two_versions_stand_side_by_side_with_moves(world: World):
    user = world.user(0, 1, 2, 20, 21)
    other = world.add_version(state="candidate", sign=-1.0)
    trace = services.trace(catalog=world.catalog, user=user, version=world.version, other=other)
    a, b = trace.lists
    assert (a.version, b.version) == (world.version.label, other.label)
    ranks = {item.item_id: item.rank for item in a.items}
    for item in b.items:
        expected = ranks[item.item_id] - item.rank if item.item_id in ranks else None
        assert item.moved == expected
    assert any(item.moved for item in b.items)


def test_history_is_newest_first_with_weights(world: World):
    user = world.user(0, 1)
    world.tell(user, "click", 5)
    history = services.trace(catalog=world.catalog, user=user).history
    assert [(line.type, line.value, line.weight) for line in history] == [
        ("click", None, 0.3),
        ("rating", 5.0, 1.0),
        ("rating", 5.0, 1.0),
    ]


def test_a_version_that_cannot_be_loaded_says_why(world: World):
    other = factories.make_version(world.catalog, path="nowhere")
    trace = services.trace(catalog=world.catalog, user=world.user(0, 1, 2), other=other)
    assert "manifest" in trace.lists[1].error
    assert len(trace.lists[1].items) == 20


def test_a_trace_leaves_no_trace(world: World):
    user = world.user(0, 1, 2)
    before = UserState.objects.values().get(user=user)
    services.trace(catalog=world.catalog, user=user, item=world.items[9].external_id)
    services.trace(catalog=world.catalog, user=None)
    assert UserState.objects.values().get(user=user) == before
    assert not Slate.objects.exists()
    assert not Impression.objects.exists()


@pytest.mark.parametrize("has_model", [True, False])
def test_the_pipeline_names_its_stages_and_figures(bare: World, has_model: bool):
    if has_model:
        bare.add_version()
    stages = {stage.name: stage for stage in services.pipeline(bare.catalog)}
    assert list(stages) == ["filters", "candidates", "scorer", "blend", "diversity", "draw"]
    assert all(stage.title and stage.text for stage in stages.values())
    expected = bare.version.label if has_model else None
    assert stages["scorer"].parameters["model_version"] == expected
