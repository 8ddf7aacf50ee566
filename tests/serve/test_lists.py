"""Lists: personal, paged, filtered, hot-swapped, similar, ranked."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from recommender import clock
from recommender.catalog.models import Catalog, Item
from recommender.collect.models import Impression, Slate, UserState
from recommender.collect.services import set_personalized
from recommender.errors import BadData, Missing
from recommender.serve import services, state
from tests.serve.conftest import World


def shown(answer) -> list[str]:
    return [item.external_id for item in answer.items]


def test_one_rating_moves_the_next_list_to_the_items_like_it(world: World):
    user = world.user(0, 1, 2)
    before = services.recommend(world.ask(user, limit=5))
    for place in (35, 36, 37, 38):
        world.rate(user, place)
    after = services.recommend(world.ask(user, limit=5))
    westerns = [world.kind_of(item) == "Western" for item in shown(after)]
    assert sum(westerns) > sum(world.kind_of(item) == "Western" for item in shown(before))
    assert after.strategy == "item_item"
    assert after.is_personalized


def test_rated_and_dismissed_items_are_gone_on_the_next_call(world: World):
    user = world.user(0, 1, 2)
    first = services.recommend(world.ask(user, limit=5))
    rated, dismissed = (next(i for i in world.items if i.pk == s.item_id) for s in first.items[:2])
    world.rate(user, world.items.index(rated), 1.0)
    world.tell(user, "dismiss", world.items.index(dismissed))
    for _ in range(5):
        again = services.recommend(world.ask(user, limit=40))
        assert not {rated.external_id, dismissed.external_id} & set(shown(again))


def test_an_undone_dismissal_brings_the_same_list_back(world: World):
    from recommender.collect.services import NewEvent, record_events

    user = world.user(0, 1, 2)
    before = services.recommend(world.ask(user, limit=8))
    place = [item.pk for item in world.items].index(before.items[0].item_id)
    told = world.tell(user, "dismiss", place)
    services.recommend(world.ask(user, limit=8))
    undo = NewEvent(type="undo", user=user.external_id, undoes=told.event_id)
    (result,) = record_events(catalog=world.catalog, events=[undo], source="api")
    assert result.status == "accepted"
    assert shown(services.recommend(world.ask(user, limit=8))) == shown(before)


def test_a_hot_list_costs_one_read_and_the_slate(world: World, statements):
    user = world.user(0, 1, 2)
    services.recommend(world.ask(user))
    with statements() as made:
        services.recommend(world.ask(user))
    reads = [sql for sql in made.sql if sql.lstrip().upper().startswith("SELECT")]
    written = [re.search(r'INSERT INTO "(\w+)"', sql) for sql in made.sql]
    assert len(reads) == 1
    assert [found[1] for found in written if found] == [
        "recommender_featuresnapshot",
        "recommender_slate",
        "recommender_impression",
    ]
    assert not [sql for sql in made.sql if "UPDATE" in sql]


def test_a_live_list_is_written_back_once(world: World):
    user = world.user(0, 1, 2)
    live = services.recommend(world.ask(user, limit=5))
    state = UserState.objects.get(user=user)
    assert state.list_seq == state.event_seq
    assert state.list_version == world.version.pk
    assert np.frombuffer(state.list_items, "<i4")[:5].tolist() == [i.item_id for i in live.items]
    assert shown(services.recommend(world.ask(user, limit=5))) == shown(live)


def test_a_short_catalog_does_not_recompute_for_ever(world: World, statements):
    user = world.user(0, 1, 2)
    services.recommend(world.ask(user, limit=60))
    with statements() as made:
        assert len(services.recommend(world.ask(user, limit=60)).items) == 37
    assert not [sql for sql in made.sql if "UPDATE" in sql]


def test_a_list_is_not_written_over_a_newer_one(world: World):
    user = world.user(0, 1, 2)
    UserState.objects.filter(user=user).update(list_seq=99, list_version=world.version.pk)
    services.recommend(world.ask(user))
    assert UserState.objects.get(user=user).list_seq == 99


def test_a_person_can_be_named_by_outside_id_in_the_one_statement(world: World, statements):
    user = world.user(0, 1, 2)
    expected = services.recommend(world.ask(user, limit=5))
    with statements() as made:
        answer = services.recommend(world.ask(user_ref=user.external_id, limit=5))
    assert shown(answer) == shown(expected)
    assert sum("SELECT" in sql and "INSERT" not in sql for sql in made.sql) == 1


def test_unknown_and_missing_users_get_a_cold_start(world: World):
    for request in (world.ask(user_ref="nobody"), world.ask(), world.ask(world.user())):
        answer = services.recommend(request)
        assert answer.strategy == "cold_start"
        assert not answer.is_personalized
        assert len(answer.items) == 20


def test_an_evidence_free_list_is_popular_first_with_fresh_ones_between(world: World):
    fresh = world.items[-1]
    Item.objects.filter(pk=fresh.pk).update(
        published_at=clock.now(), changed_seq=2, updated_at=clock.now()
    )
    Catalog.objects.filter(pk=world.catalog.pk).update(items_seq=2)
    answer = services.recommend(world.ask(limit=4))
    kinds = [item.reasons[0].kind for item in answer.items]
    assert kinds == ["popular", "popular", "popular", "fresh"]
    assert answer.items[3].external_id == fresh.external_id


def test_the_popularity_prior_fades_with_evidence(world: World):
    one, many = world.user(39), world.user(*range(31, 40))
    few = services.recommend(world.ask(one, limit=5))
    lots = services.recommend(world.ask(many, limit=1))
    assert world.kind_of(lots.items[0].external_id) == "Western"
    # λ = 6/7 after one event: the most popular item still leads.
    assert few.items[0].external_id == world.items[0].external_id


def test_page_two_goes_on_without_repeats_and_positions_run_on(world: World):
    user = world.user(0, 1, 2)
    pages = [services.recommend(world.ask(user, limit=7))]
    while pages[-1].next_cursor:
        pages.append(services.recommend(world.ask(user, limit=7, cursor=pages[-1].next_cursor)))
    ids = [item.external_id for page in pages for item in page.items]
    assert len(ids) == len(set(ids)) == 37
    assert [i.position for page in pages for i in page.items] == list(range(1, 38))
    assert {page.slate_id for page in pages} == {pages[0].slate_id}
    assert Impression.objects.filter(slate=pages[0].slate_id).count() == 37


def test_page_two_stays_on_its_slate_while_the_world_moves(world: World):
    user = world.user(0, 1, 2)
    first = services.recommend(world.ask(user, limit=7))
    expected = services.recommend(world.ask(user, limit=14, is_shadow=True)).items[7:]
    gone, rated = expected[0], expected[1]
    Item.objects.filter(pk=gone.item_id).update(is_hidden=True, changed_seq=2)
    Catalog.objects.filter(pk=world.catalog.pk).update(items_seq=2)
    world.rate(user, [item.pk for item in world.items].index(rated.item_id))
    world.make_live(world.add_version(state="candidate", sign=-1.0))
    second = services.recommend(world.ask(user, limit=5, cursor=first.next_cursor))
    assert shown(second) == [item.external_id for item in expected[2:]]
    assert second.model_version == first.model_version


def test_a_page_asked_twice_is_logged_once(world: World):
    first = services.recommend(world.ask(limit=7))
    for _ in range(2):
        services.recommend(world.ask(limit=7, cursor=first.next_cursor))
    assert Impression.objects.filter(slate=first.slate_id).count() == 14


def test_a_cursor_of_another_person_or_a_forged_one_is_refused(world: World):
    mine = services.recommend(world.ask(world.user(0, 1, 2), limit=5)).next_cursor
    with pytest.raises(BadData, match="another person's list"):
        services.recommend(world.ask(world.user(3, 4, 5), cursor=mine))
    for forged in ("", "x", "é", mine[:-2] + "AA", mine + "A"):
        if forged:
            with pytest.raises(BadData, match="not one that a list answer gave"):
                services.recommend(world.ask(cursor=forged))


def test_filters_keep_what_they_name(world: World):
    user = world.user(0, 1, 2)
    answer = services.recommend(world.ask(user, filters={"category": "horror"}))
    assert {world.kind_of(item) for item in shown(answer)} == {"Horror"}
    assert len(answer.items) == 10
    assert UserState.objects.get(user=user).list_seq is None


def test_a_hidden_item_goes_at_once_and_an_expired_one_at_its_second(world: World):
    user = world.user(0, 1, 2)
    hidden, expiring = (item.item_id for item in services.recommend(world.ask(user)).items[:2])
    moment = clock.now()
    Item.objects.filter(pk=hidden).update(is_hidden=True, changed_seq=2)
    Item.objects.filter(pk=expiring).update(expires_at=moment, changed_seq=2)
    Catalog.objects.filter(pk=world.catalog.pk).update(items_seq=2)
    with clock.at(moment.replace(year=moment.year - 1)):
        assert expiring in {i.item_id for i in services.recommend(world.ask(user)).items}
    with clock.at(moment):
        ids = {i.item_id for i in services.recommend(world.ask(user)).items}
    assert not {hidden, expiring} & ids


def test_promotion_switches_the_very_next_answer(world: World):
    user = world.user(0, 1, 2)
    old = services.recommend(world.ask(user, limit=5))
    world.make_live(world.add_version(state="candidate", sign=-1.0))
    new = services.recommend(world.ask(user, limit=5))
    assert (old.model_version, new.model_version) != (new.model_version, old.model_version)
    assert new.model_version == world.version.label
    assert shown(new) != shown(old)
    assert Slate.objects.get(pk=new.slate_id).model_version_id == world.version.pk


def test_similar_lists_the_kin_and_never_the_item_itself(world: World):
    item = world.items[15]
    answer = services.similar(world.ask(context_item=item.external_id, limit=9))
    assert {world.kind_of(other) for other in shown(answer)} == {"Comedy"}
    assert item.external_id not in shown(answer)
    assert answer.strategy == "similar"
    assert answer.items[0].reasons[0].params["title"] == item.title


def test_similar_to_an_item_the_model_does_not_know_names_its_category(bare: World):
    known, late = bare.items[:30], bare.items[35]
    world = replace(bare, items=known)
    world.add_version()
    answer = services.similar(world.ask(context_item=late.external_id, limit=5))
    assert len(answer.items) == 5
    with pytest.raises(Missing, match="'nope' does not exist"):
        services.similar(world.ask(context_item="nope"))


def test_rank_orders_the_callers_items_and_names_unknown_ones(world: World):
    user = world.user(20, 21, 22, 23, 24, 26)
    mine = [world.items[at].external_id for at in (18, 25, 39, 18)]
    answer = services.rank(world.ask(user), mine)
    assert sorted(shown(answer)) == sorted(set(mine))
    assert shown(answer)[0] == world.items[25].external_id
    with pytest.raises(BadData, match="2 unknown ids: x, y"):
        services.rank(world.ask(user), ["x", mine[0], "y"])
    assert services.rank(world.ask(user), []).items == ()


def test_profiles_off_gives_everybody_the_same_and_reads_no_person(world: World, statements):
    a = world.user(0, 1, 2, is_personalized=False)
    b = world.user(30, 31, is_personalized=False)
    expected = shown(services.recommend(world.ask(is_personalized=False)))
    for request in (world.ask(a), world.ask(b), world.ask(world.user(5, 6), is_personalized=False)):
        with statements() as made:
            answer = services.recommend(request)
        assert shown(answer) == expected
        assert (answer.strategy, answer.is_personalized) == ("popular", False)
        assert not [sql for sql in made.sql if "recommender_user" in sql]
        assert Slate.objects.get(pk=answer.slate_id).user_id is None


def test_a_person_switched_off_is_not_read_by_outside_id_either(world: World):
    user = world.user(0, 1, 2, is_personalized=False)
    answer = services.recommend(world.ask(user_ref=user.external_id))
    assert (answer.strategy, answer.is_personalized) == ("popular", False)


def test_the_row_of_a_person_switched_off_does_not_leave_the_database(world: World):
    user = world.user(0, 1, 2)
    asked = [user.external_id, world.catalog.pk]
    assert state._fetch(state._BY_REF, asked).count(None) < 5
    set_personalized(user=user, is_personalized=False)
    columns = state._fetch(state._BY_REF, asked)[state._N_VERSION :]
    assert columns[:2] == (user.pk, False)
    assert set(columns[3:]) == {None}


def test_a_list_from_events_that_the_row_does_not_hold_is_not_stored(world: World):
    user = world.user(0, 1)
    keys, scores = np.array([5], np.int32), np.array([1.0], np.float32)
    for seq, is_stored in ((3, False), (2, True)):
        state.write_list(state.NewList(user.pk, seq, world.version.pk, keys, scores))
        assert (UserState.objects.get(user=user).list_seq == seq) is is_stored
