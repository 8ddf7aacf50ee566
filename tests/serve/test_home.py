"""Home: rows in order, no repeats, one slate, honest chances."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest

from recommender import clock
from recommender.collect.models import Impression, Slate
from recommender.errors import Missing
from recommender.serve import services
from recommender.serve.policy import POLICY
from tests import factories
from tests.serve.conftest import World


@pytest.fixture
def busy(world: World) -> World:
    """Somebody took up two Horror items just now: that is what trends."""
    moment = clock.now() - timedelta(hours=1)
    for place in (25, 26):
        factories.make_event(factories.make_user(world.catalog), world.items[place], at=moment)
    return world


def ids_of(page) -> list[str]:
    return [item.external_id for row in page.rows for item in row.items]


def test_a_known_person_gets_all_rows_in_order_and_no_item_twice(busy: World):
    page = services.home(busy.ask(busy.user(0, 1, 2, 31)))
    kinds = [row.kind for row in page.rows]
    assert kinds == ["for_you", "because", "trending", "new", "exploring"]
    assert len(ids_of(page)) == len(set(ids_of(page)))
    assert all(1 <= len(row.items) <= 12 for row in page.rows)
    assert page.ratings_needed == 0
    assert page.is_personalized


def test_the_exploring_row_holds_less_popular_items_and_its_own_chances(busy: World, monkeypatch):
    monkeypatch.setattr("recommender.serve.home.POLICY", _policy(row_length=4))
    page = services.home(busy.ask(busy.user(0, 1, 2)))
    row = next(row for row in page.rows if row.kind == "exploring")
    assert all(busy.items.index(_item(busy, i)) >= 19 for i in row.items)
    pool = round(1 / row.items[0].propensity)
    assert [i.propensity for i in row.items] == [1 / (pool - at) for at in range(4)]
    logged = Impression.objects.filter(slate=page.slate_id).order_by("position")
    assert {i.slot_kind for i in logged if i.row_kind == "exploring"} == {"explore"}
    assert {i.p_cond for i in logged if i.row_kind != "exploring"} == {1.0}
    total = 0.0
    for impression in logged:
        total += math.log(impression.p_cond)
        assert impression.log_p_prefix == pytest.approx(total, abs=1e-9)
    assert row.items[0].reasons[0].kind == "exploring"
    fixed = Slate.objects.get(pk=page.slate_id).fixed
    assert fixed == [[i.position, i.item_id, "explore", i.propensity, "e"] for i in row.items]


def test_exploring_stays_all_day_and_differs_between_people(busy: World, monkeypatch):
    monkeypatch.setattr("recommender.serve.home.POLICY", _policy(row_length=4))
    a, b = busy.user(0, 1, 2), busy.user(0, 1, 2)
    rows = []
    for user, hours in ((a, 0), (a, 1), (a, 24), (b, 0)):
        with clock.at(factories.START + timedelta(days=400, hours=hours)):
            page = services.home(busy.ask(user))
            row = next(row for row in page.rows if row.kind == "exploring")
            rows.append([item.external_id for item in row.items])
    assert rows[0] == rows[1]
    assert rows[0] != rows[2]
    assert rows[0] != rows[3]


def test_the_because_row_names_an_item_that_was_liked(busy: World):
    user = busy.user(0, 1, stars=5.0)
    busy.rate(user, 31, 4.0)
    busy.rate(user, 12, 3.0)  # no like
    busy.tell(user, "click", 25)  # a look is not a like
    row = next(r for r in services.home(busy.ask(user)).rows if r.kind == "because")
    assert row.title_reason.ref == f"item:{busy.items[31].external_id}"
    assert row.title == f"Because you rated “{busy.items[31].title}” 4 stars"
    assert {busy.kind_of(item.external_id) for item in row.items} == {"Western"}


def test_the_because_row_passes_over_likes_whose_kin_stand_above(busy: World):
    page = services.home(busy.ask(busy.user(31, 0, 1, 2)))
    row = next(row for row in page.rows if row.kind == "because")
    assert row.title_reason.ref == f"item:{busy.items[31].external_id}"
    assert {busy.kind_of(item.external_id) for item in row.items} == {"Western"}


def test_every_item_of_the_because_row_owes_its_place_to_what_the_heading_names(busy: World):
    user = busy.user(31, 0, 1, 2)
    page = services.home(busy.ask(user, explain=True))
    row = next(row for row in page.rows if row.kind == "because")
    for item in row.items:
        parts = item.explanation.contributions
        named = [part.weight for part in parts if part.ref == row.title_reason.ref]
        assert named and named[0] >= POLICY.reason_share * abs(item.score)


def test_a_like_that_carries_nothing_heads_no_row(busy: World, monkeypatch):
    monkeypatch.setattr(
        "recommender.serve.home.carried_by",
        lambda scores, event: np.zeros(len(scores.total), np.bool_),
    )
    kinds = [row.kind for row in services.home(busy.ask(busy.user(0, 1, 31))).rows]
    assert "for_you" in kinds and "because" not in kinds


def test_a_new_person_gets_popular_and_fresh_rows_and_is_asked_for_ratings(busy: World):
    user = busy.user()
    page = services.home(busy.ask(user))
    assert [row.kind for row in page.rows][:3] == ["popular", "trending", "new"]
    assert page.rows[0].items[0].external_id == busy.items[0].external_id
    assert all(item.reasons for row in page.rows for item in row.items)
    assert (page.strategy, page.ratings_needed) == ("cold_start", 3)
    busy.rate(user, 3)
    busy.rate(user, 4)
    assert services.home(busy.ask(user)).ratings_needed == 1
    busy.rate(user, 5)
    page = services.home(busy.ask(user))
    assert (page.ratings_needed, page.rows[0].kind) == (0, "for_you")


def test_ratings_shape_home_only_with_a_model(bare: World):
    page = services.home(bare.ask(bare.user(0, 1, 2)))
    assert page.strategy == "popular"
    assert page.model_version is None
    assert len(ids_of(page)) > 12


def test_home_is_one_slate_with_rows_and_columns(busy: World):
    page = services.home(busy.ask(busy.user(0, 1, 2), session_id="s1", device="phone"))
    slate = Slate.objects.get(pk=page.slate_id)
    assert (slate.layout, slate.surface, slate.session_id) == ("rows", "home", "s1")
    logged = list(slate.impressions.order_by("position").values_list("row", "col", "item_id"))
    shown = [(i.row, i.col, i.item_id) for row in page.rows for i in row.items]
    assert logged == shown
    assert [i.position for row in page.rows for i in row.items] == list(range(1, len(shown) + 1))


def test_home_costs_one_read_and_one_slate(busy: World, statements):
    user = busy.user(0, 1, 2)
    moment = clock.now().replace(second=5)
    with clock.at(moment):
        services.home(busy.ask(user))
        with statements() as made:
            services.home(busy.ask(user))
    assert len([sql for sql in made.sql if sql.lstrip().upper().startswith("SELECT")]) == 1
    assert len([sql for sql in made.sql if "INSERT" in sql]) == 3


def test_home_without_profile_explores_nobody_and_is_the_same_for_all(busy: World):
    pages = [services.home(busy.ask(busy.user(at, is_personalized=False))) for at in (0, 11, 22)]
    assert len({tuple(ids_of(page)) for page in pages}) == 1
    assert {row.kind for row in pages[0].rows} <= {"popular", "trending", "new"}
    assert pages[0].ratings_needed == 0


@pytest.mark.parametrize("kind", ["for_you", "trending", "popular", "new", "exploring"])
def test_more_pages_each_row(busy: World, kind: str):
    user = busy.user(0, 1, 2)
    first = services.more(busy.ask(user, limit=2), kind=kind)
    assert first.items
    if first.next_cursor:
        second = services.more(busy.ask(user, limit=2, cursor=first.next_cursor), kind=kind)
        pair = [i.external_id for i in (*first.items, *second.items)]
        assert len(pair) == len(set(pair))


def test_more_refuses_a_row_that_is_none(busy: World):
    with pytest.raises(Missing, match="row 'nope' does not exist; the rows are: for_you"):
        services.more(busy.ask(), kind="nope")


def test_trending_counts_people_newest_first_and_forgets_undone_events(world: World):
    moment = clock.now() - timedelta(hours=1)
    old = moment - timedelta(days=9)
    for place, at in ((7, moment), (8, old), (8, old)):
        factories.make_event(factories.make_user(world.catalog), world.items[place], at=at)
    taken_back = factories.make_event(factories.make_user(world.catalog), world.items[9], at=moment)
    factories.make_event(taken_back.user, None, "undo", target=taken_back, at=moment)
    answer = services.more(world.ask(is_personalized=False), kind="trending")
    assert [i.external_id for i in answer.items] == [
        world.items[7].external_id,
        world.items[8].external_id,
    ]


def _policy(**changes):
    from dataclasses import replace

    from recommender.serve.policy import POLICY

    return replace(POLICY, **changes)


def _item(world: World, shown):
    return next(item for item in world.items if item.pk == shown.item_id)
