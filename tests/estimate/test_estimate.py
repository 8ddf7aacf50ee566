"""What a version would have earned, from lists that another drew."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from recommender import clock
from recommender.collect.models import Slate
from recommender.errors import NotReady
from recommender.estimate import replay, services
from recommender.ml.placement import marginals
from recommender.ml.policy import prefix_probabilities
from recommender.serve import services as serve
from recommender.serve.drawn import replayed
from tests import factories
from tests.serve.conftest import World, bare, world

pytestmark = pytest.mark.django_db
__all__ = ["bare", "world"]  # fixtures

N_USERS = 210
KIND = 10  # items of one kind stand together


@pytest.fixture
def shown(world: World) -> World:
    """Lists drawn two days ago, one for each of many people, and what they clicked.

    Everybody likes the second kind of items whatever they rated before.
    """
    world.catalog.exploration_target = 0.01
    world.catalog.exploration_tau = 0.5
    world.catalog.save()
    wanted = {item.pk for item in world.items[KIND : 2 * KIND]}
    rng = np.random.default_rng(7)
    for _ in range(N_USERS):
        user = world.user(int(rng.integers(0, 4)), KIND + int(rng.integers(0, 4)))
        answer = serve.recommend(world.ask(user, limit=6))
        for item in answer.items:
            if rng.random() < (0.6 if item.item_id in wanted else 0.05):
                slate = Slate.objects.get(pk=answer.slate_id)
                factories.make_event(user, None, "click", slate=slate, position=item.position)
    Slate.objects.update(decided_at=clock.now() - timedelta(days=2))
    return world


def test_the_version_that_served_is_estimated_at_what_it_earned(shown: World):
    made = services.estimate_version(shown.version)
    earned, figures = made.figures["earned"], made.figures
    assert (made.n, made.n_users, made.refusals) == (N_USERS, N_USERS, [])
    assert figures["value"]["value"] == pytest.approx(earned["value"])
    assert figures["difference"]["value"] == pytest.approx(0, abs=1e-9)
    assert figures["difference"]["high"] == pytest.approx(0, abs=1e-9)
    assert figures["sample"] == pytest.approx(N_USERS)
    assert (figures["outside"], figures["lost"]) == (0, 0)


def test_the_chances_of_then_are_those_that_were_logged(shown: World):
    slates = list(Slate.objects.select_related("feature_snapshot")[:5])
    served = serve.registry.load_version(shown.version)
    lists, _ = replay.read(served, slates)
    for at, slate in enumerate(slates):
        made = replayed(slate)
        order = made.draw.order[:6]
        chances = marginals(made.mixture, 6)[order, np.arange(6)]
        np.testing.assert_allclose(lists.logged[at, :6], chances, rtol=1e-6)
        np.testing.assert_allclose(lists.target[at, :6], chances, rtol=1e-5)
        logs = prefix_probabilities(made.mixture, order)
        np.testing.assert_allclose(lists.logged_prefix[at, :6], logs, rtol=1e-9)
        assert np.isnan(lists.rewards[at, 6:]).all()
        logged = slate.impressions.order_by("position").values_list("log_p_prefix", flat=True)
        np.testing.assert_allclose(logs, list(logged), atol=1e-6)


def test_a_version_that_lifts_what_people_click_is_estimated_to_earn_more(shown: World):
    better = shown.add_version(state="candidate", favor=range(KIND, 2 * KIND))
    worse = shown.add_version(state="candidate", favor=range(3 * KIND, 4 * KIND))
    up, down = (services.estimate_version(each).figures for each in (better, worse))
    assert up["difference"]["low"] > 0
    assert down["difference"]["high"] < 0


def test_without_lists_old_enough_nothing_is_claimed(world: World):
    made = services.estimate_version(world.version)
    assert (made.n, made.since) == (0, None)
    assert "users" in made.refusals


def test_lists_of_today_are_not_complete_yet(shown: World):
    Slate.objects.update(decided_at=clock.now() - timedelta(hours=23))
    assert services.estimate_version(shown.version).n == 0


def test_deterministic_lists_and_those_of_nobody_are_left_out(shown: World):
    first, second = Slate.objects.all()[:2]
    Slate.objects.filter(pk=first.pk).update(sampler="deterministic")
    Slate.objects.filter(pk=second.pk).update(user=None)
    assert services.estimate_version(shown.version).n == N_USERS - 2


def test_peoples_lists_are_preferred_to_the_demos(shown: World):
    Slate.objects.update(is_simulated=True)
    assert services.estimate_version(shown.version).is_simulated
    Slate.objects.filter(pk=Slate.objects.first().pk).update(is_simulated=False)
    made = services.estimate_version(shown.version)
    assert (made.n, made.is_simulated) == (1, False)


def test_a_version_that_cannot_be_loaded_says_so(shown: World):
    shown.version.path += "-gone"
    shown.version.save()
    serve.forget()
    with pytest.raises(NotReady, match="cannot be loaded"):
        services.estimate_version(shown.version)
