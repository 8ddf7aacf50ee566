"""Never an error, never empty while there is an item to show; what is logged is what was shown."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from django.db import OperationalError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender import clock
from recommender.catalog.models import Catalog, Item
from recommender.collect.models import Event, Impression, Slate, UserState
from recommender.collect.tokens import read_token
from recommender.errors import Missing
from recommender.serve import services, state
from recommender.serve.policy import Policy
from tests import factories
from tests.serve.conftest import World


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    gone=st.sets(st.integers(0, 39)),
    expired=st.sets(st.integers(0, 39)),
    seen=st.sets(st.integers(0, 39)),
    has_model=st.booleans(),
    limit=st.integers(1, 60),
)
def test_a_list_is_never_empty_while_one_item_may_be_shown(
    world: World, gone: set[int], expired: set[int], seen: set[int], has_model: bool, limit: int
):
    services.forget()
    user = factories.make_user(world.catalog)
    keys = np.array(sorted(world.items[at].pk for at in seen), "<i4")
    history = "[" + ",".join(f'[{key},"rating",5.0,1.0]' for key in keys) + "]"
    UserState.objects.create(
        user=user,
        catalog=world.catalog,
        history=history.encode(),
        seen=keys.tobytes(),
        positive_count=len(seen),
        rating_count=len(seen),
        profile_updated_at=clock.now(),
    )
    items = Item.objects.filter(catalog=world.catalog)
    items.update(is_hidden=False, expires_at=None)
    items.filter(pk__in=[world.items[at].pk for at in gone]).update(is_hidden=True)
    past = clock.now() - timedelta(days=1)
    items.filter(pk__in=[world.items[at].pk for at in expired]).update(expires_at=past)
    path = world.version.path if has_model else "nowhere"
    type(world.version).objects.filter(pk=world.version.pk).update(path=path, broken_reason="")
    n_open = 40 - len(gone | expired | seen)
    for request in (world.ask(user, limit=limit), world.ask(user, limit=limit, is_shadow=True)):
        answer = services.recommend(request)
        assert len(answer.items) == min(limit, n_open)
    page = services.home(world.ask(user))
    assert sum(len(row.items) for row in page.rows) >= min(12, n_open)
    anonymous = services.recommend(world.ask(limit=limit))
    assert len(anonymous.items) == min(limit, 40 - len(gone | expired))


def test_without_a_model_what_people_took_up_comes_first_then_the_newest(bare: World):
    for place in (7, 7, 3):
        factories.make_event(
            factories.make_user(bare.catalog), bare.items[place], at=clock.now() - timedelta(days=2)
        )
    answer = services.recommend(bare.ask(bare.user(), limit=2))
    assert [item.external_id for item in answer.items] == [
        bare.items[7].external_id,
        bare.items[3].external_id,
    ]
    slate = Slate.objects.get(pk=answer.slate_id)
    assert (answer.model_version, slate.model_version, slate.fallback) == (None, None, "popular")


def test_a_catalog_without_events_shows_the_newest(bare: World):
    Item.objects.filter(pk=bare.items[9].pk).update(published_at=clock.now() - timedelta(days=1))
    answer = services.recommend(bare.ask(limit=3))
    assert answer.items[0].external_id == bare.items[9].external_id
    assert Slate.objects.get(pk=answer.slate_id).fallback == "new"


def test_items_that_are_not_out_yet_are_the_last_resort(bare: World):
    Item.objects.update(published_at=clock.now() + timedelta(days=9))
    answer = services.recommend(bare.ask())
    assert len(answer.items) == 20
    assert Slate.objects.get(pk=answer.slate_id).fallback == "any"


def test_an_empty_catalog_gives_an_empty_list_and_no_error(db: None):
    catalog = factories.make_catalog()
    world = World(catalog, [])
    assert services.recommend(world.ask()).items == ()
    assert services.home(world.ask(world.user())).rows == ()
    assert services.search(world.ask(), "heat").items == ()


def test_a_live_popularity_model_makes_no_list_personal(world: World):
    type(world.version).objects.filter(pk=world.version.pk).update(strategy="popular")
    user = world.user(0, 1, 2)
    answer = services.recommend(world.ask(user))
    assert (answer.strategy, answer.is_personalized) == ("popular", False)
    assert answer.model_version == world.version.label
    assert not {item.item_id for item in answer.items} & {i.pk for i in world.items[:3]}
    assert answer.items[0].predicted_rating is not None
    assert services.home(world.ask(user)).rows[0].kind == "popular"


def test_a_catalog_that_is_gone_is_missing(bare: World):
    request = bare.ask()
    gone = replace(request, catalog=Catalog(pk=10**6, slug="gone", scenario="films"))
    with pytest.raises(Missing, match="catalog 'gone' does not exist"):
        services.recommend(gone)


def test_every_returned_item_has_exactly_one_impression(world: World):
    user = world.user(0, 1, 2)
    for answer in (services.recommend(world.ask(user)), services.recommend(world.ask(limit=3))):
        for item in answer.items:
            token = read_token(item.token)
            logged = Impression.objects.get(slate=token.slate_id, position=token.position)
            assert logged.item_id == item.item_id
            assert logged.score == pytest.approx(item.score)
            assert (logged.p_cond, logged.log_p_prefix) == (item.propensity, 0.0) == (1.0, 0.0)
        assert Impression.objects.filter(slate=answer.slate_id).count() == len(answer.items)


def test_the_slate_says_what_decided_and_replays_to_the_list(world: World):
    user = world.user(0, 1, 2)
    answer = services.recommend(
        world.ask(user, surface="home", session_id="s", device="phone", request_id="r1", limit=6)
    )
    slate = Slate.objects.get(pk=answer.slate_id)
    assert (slate.user_id, slate.k, slate.sampler, slate.strategy) == (
        user.pk,
        6,
        "deterministic",
        "item_item",
    )
    assert (slate.request_id, slate.consent, slate.fallback) == ("r1", "personalized", "none")
    assert slate.policy_config_hash == Policy().config_hash
    assert slate.latency_ms > 0
    candidates = np.frombuffer(bytes(slate.candidates), "<i4")
    assert candidates[:6].tolist() == [item.item_id for item in answer.items]
    assert len(np.frombuffer(bytes(slate.logits), "<f4")) == len(candidates) == 37


def test_a_shadow_read_logs_nothing_and_changes_nothing(world: World):
    user = world.user(0, 1, 2)
    expected = services.recommend(world.ask(world.user(0, 1, 2), limit=9))
    rows = [Slate.objects.count(), Impression.objects.count(), Event.objects.count()]
    row = UserState.objects.values().get(user=user)
    for _ in range(10):
        shadow = services.recommend(world.ask(user, is_shadow=True, limit=9))
        assert [i.item_id for i in shadow.items] == [i.item_id for i in expected.items]
        assert (shadow.next_cursor, {i.token for i in shadow.items}) == (None, {""})
    assert rows == [Slate.objects.count(), Impression.objects.count(), Event.objects.count()]
    assert UserState.objects.values().get(user=user) == row


def test_without_a_database_the_last_items_are_served_and_marked(world: World, monkeypatch, caplog):
    user = world.user(0, 1, 2)
    services.recommend(world.ask(user))

    def fail(*_args: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(state, "_fetch", fail)
    with caplog.at_level(logging.CRITICAL):
        answer = services.recommend(world.ask(user))
    assert answer.is_degraded
    assert (answer.strategy, answer.is_personalized) == ("popular", False)
    assert len(answer.items) == 20
    assert {item.token for item in answer.items} == {""}
    assert services.home(world.ask(user)).is_degraded


def test_a_list_that_could_not_be_logged_carries_no_token(world: World, monkeypatch, caplog):
    def fail(**_kwargs: object) -> None:
        raise OperationalError("disk full")

    monkeypatch.setattr("recommender.serve.decisions.write_slate", fail)
    with caplog.at_level(logging.CRITICAL):
        answer = services.recommend(world.ask(world.user(0, 1, 2)))
    assert answer.is_degraded
    assert {item.token for item in answer.items} == {""}


def test_changing_each_figure_of_the_policy_changes_its_hash():
    from dataclasses import fields

    hashes = {Policy().config_hash}
    for field in fields(Policy):
        value = getattr(Policy(), field.name)
        changed = value + "x" if isinstance(value, str) else value + 1
        hashes.add(replace(Policy(), **{field.name: changed}).config_hash)
    assert len(hashes) == len(fields(Policy)) + 1
