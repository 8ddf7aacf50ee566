"""Drawn lists: their log replays, their chances are true, and what it costs is held."""

from __future__ import annotations

import numpy as np
import pytest

from recommender.collect.models import Impression, Slate
from recommender.ml.placement import marginals
from recommender.ml.policy import Mixture, prefix_probabilities
from recommender.serve import budget, drawing, reasons, services
from recommender.serve.drawn import replayed
from tests import factories
from tests.api.conftest import assert_conforms, key_for
from tests.serve.conftest import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def drawing_world(world: World) -> World:
    """A live version, and lists that are drawn."""
    world.catalog.exploration_target = 0.01
    world.catalog.save()
    return world


def lists(world: World, user, n: int, **fields):
    return [services.recommend(world.ask(user, limit=8, **fields)) for _ in range(n)]


def test_two_visits_draw_two_lists_and_say_how_likely_each_place_was(drawing_world: World):
    user = drawing_world.user(0, 1)
    answers = lists(drawing_world, user, 12)
    orders = {tuple(item.item_id for item in answer.items) for answer in answers}
    assert len(orders) > 1
    for answer in answers:
        slate = Slate.objects.get(pk=answer.slate_id)
        assert (slate.sampler, slate.contenders) == ("mix", list(drawing.CONTENDERS))
        assert sum(slate.alphas) == pytest.approx(1)
        shown = list(slate.impressions.order_by("position"))
        mixture = replayed(slate).mixture
        pool = replayed(slate).pool.tolist()
        logs = prefix_probabilities(mixture, np.array([pool.index(s.item_id) for s in shown]))
        np.testing.assert_allclose([s.log_p_prefix for s in shown], logs, atol=1e-6)  # T-LOG3
        np.testing.assert_allclose(
            [item.propensity for item in answer.items], [s.p_cond for s in shown], rtol=1e-12
        )


def test_every_logged_list_replays_bit_for_bit(drawing_world: World):  # T-LOG2
    user = drawing_world.user(0, 1)
    lists(drawing_world, user, 50)
    services.home(drawing_world.ask(user))
    drawn = Slate.objects.filter(sampler="mix")
    assert drawn.count() == 51
    for slate in drawn:
        again = replayed(slate)
        kinds = ("", "for_you")
        shown = slate.impressions.filter(row_kind__in=kinds).order_by("position")
        assert again.ids[: len(shown)].tolist() == [s.item_id for s in shown]
        assert again.draw.p_cond[: len(shown)].tolist() == [s.p_cond for s in shown]
        assert again.component == slate.component


def test_no_candidate_falls_below_the_floor_and_places_sum_to_one(drawing_world: World):  # P-FLOOR
    (answer,) = lists(drawing_world, drawing_world.user(0, 1), 1)
    mixture = replayed(Slate.objects.get(pk=answer.slate_id)).mixture
    chances = marginals(mixture, 8)
    np.testing.assert_allclose(chances.sum(axis=0), 1.0, atol=1e-4)
    assert chances.min() >= 0.02 / mixture.n_candidates * 0.999


def test_weights_for_the_uniform_target_have_mean_one(drawing_world: World):  # T-LOG4
    user = drawing_world.user(0, 1)
    weights, kept = [], {}
    for answer in lists(drawing_world, user, 300):
        slate = Slate.objects.get(pk=answer.slate_id)
        made = replayed(slate)
        key = made.mixture.logits.tobytes()
        chances = kept.setdefault(key, None)
        if chances is None:
            chances = kept[key] = marginals(made.mixture, 8)
        places = made.draw.order[:8]
        weights.append([1 / (len(made.pool) * chances[place, k]) for k, place in enumerate(places)])
    means = np.mean(weights, axis=0)
    errors = np.std(weights, axis=0) / np.sqrt(len(weights))
    assert (np.abs(means - 1) < 4 * errors).all()


def test_a_second_page_goes_on_where_the_draw_stood(drawing_world: World):
    user = drawing_world.user(0, 1)
    first = services.recommend(drawing_world.ask(user, limit=5))
    second = services.recommend(drawing_world.ask(user, limit=5, cursor=first.next_cursor))
    made = replayed(Slate.objects.get(pk=first.slate_id))
    assert [i.item_id for i in (*first.items, *second.items)] == made.ids[:10].tolist()
    assert [i.propensity for i in second.items] == made.draw.p_cond[5:10].tolist()
    logged = Impression.objects.filter(slate=first.slate_id).order_by("position")
    assert [row.position for row in logged] == list(range(1, 11))


def test_what_was_dismissed_meanwhile_is_left_out_of_the_second_page(drawing_world: World):
    user = drawing_world.user(0, 1)
    first = services.recommend(drawing_world.ask(user, limit=5))
    gone = int(replayed(Slate.objects.get(pk=first.slate_id)).ids[5])
    place = next(n for n, item in enumerate(drawing_world.items) if item.pk == gone)
    drawing_world.tell(user, "dismiss", place)
    second = services.recommend(drawing_world.ask(user, limit=5, cursor=first.next_cursor))
    assert gone not in [item.item_id for item in second.items]


def test_shadow_reads_and_people_without_a_profile_get_the_best_list(drawing_world: World):  # P-OFF
    user = drawing_world.user(0, 1)
    shadows = {
        tuple(i.item_id for i in a.items) for a in lists(drawing_world, user, 5, is_shadow=True)
    }
    assert len(shadows) == 1
    off = lists(drawing_world, user, 3, is_personalized=False)
    assert len({tuple(i.item_id for i in a.items) for a in off}) == 1
    slates = Slate.objects.filter(pk__in=[a.slate_id for a in off])
    assert {slate.sampler for slate in slates} == {"deterministic"}
    assert {i.propensity for answer in off for i in answer.items} == {1.0}


def test_with_exploration_off_the_best_list_stands(drawing_world: World):
    drawing_world.catalog.exploration_target = 0
    drawing_world.catalog.save()
    answers = lists(drawing_world, drawing_world.user(0, 1), 5)
    assert len({tuple(i.item_id for i in a.items) for a in answers}) == 1
    assert Slate.objects.get(pk=answers[0].slate_id).sampler == "deterministic"


def test_the_list_kept_for_the_person_is_the_best_one_not_the_drawn(drawing_world: World):
    user = drawing_world.user(0, 1)
    lists(drawing_world, user, 1)
    best = services.recommend(drawing_world.ask(user, limit=8, is_shadow=True))
    user.state.refresh_from_db()
    kept = np.frombuffer(bytes(user.state.list_items), "<i4")[:8]
    assert kept.tolist() == [item.item_id for item in best.items]


@pytest.mark.parametrize("layout", ["list", "rows"])
def test_every_place_of_a_drawn_list_can_be_explained(drawing_world: World, layout: str):
    user = drawing_world.user(0, 1)
    if layout == "list":
        items = lists(drawing_world, user, 1)[0].items
    else:
        page = services.home(drawing_world.ask(user))
        items = [item for row in page.rows for item in row.items]
    for item in items:
        why = services.explain_token(item.token, user)
        assert (why.item_id, why.position) == (item.item_id, item.position)
        assert [r.kind for r in why.reasons] == [r.kind for r in item.reasons]
        assert why.score == pytest.approx(item.score, abs=1e-5)


def test_only_the_personal_row_of_home_is_drawn_and_the_rest_is_marked_as_fixed(
    drawing_world: World,
):
    page = services.home(drawing_world.ask(drawing_world.user(0, 1)))
    slate = Slate.objects.get(pk=page.slate_id)
    drawn = set(slate.impressions.filter(row_kind="for_you").values_list("position", flat=True))
    fixed = {entry[0] for entry in slate.fixed}
    assert drawn
    assert not drawn & fixed
    assert drawn | fixed == set(slate.impressions.values_list("position", flat=True))


def test_draws_follow_their_own_marginals(drawing_world: World):  # P-GOF
    user = drawing_world.user(0, 1)
    first = [answer.items[0].item_id for answer in lists(drawing_world, user, 400)]
    made = replayed(Slate.objects.filter(sampler="mix").latest("decided_at"))
    best = int(made.pool[np.argmax(made.mixture.logits[0])])
    chance = marginals(made.mixture, 1)[np.argmax(made.mixture.logits[0]), 0]
    share = first.count(best) / len(first)
    assert abs(share - chance) < 4 * np.sqrt(chance * (1 - chance) / len(first))


def slates(world: World, n: int, cost: float, tau: float) -> None:
    for _ in range(n):
        factories.make_slate(world.catalog, [], sampler="mix", cost=cost, tau=tau)


@pytest.mark.parametrize(("cost", "grows"), [(0.03, False), (0.002, True), (-0.001, True)])
def test_the_temperature_follows_what_drawing_costs(drawing_world: World, cost, grows):
    catalog = drawing_world.catalog
    slates(drawing_world, budget.LEAST_SLATES, cost, catalog.exploration_tau)
    before = catalog.exploration_tau
    after = budget.steer(catalog)
    catalog.refresh_from_db()
    assert catalog.exploration_tau == after
    assert (after > before) is grows
    assert 1 / budget.STEP - 1e-9 <= after / before <= budget.STEP + 1e-9
    assert budget.steer(catalog) is None  # nothing was drawn at the new temperature yet


ENOUGH = budget.LEAST_SLATES


@pytest.mark.parametrize(("n", "cost"), [(ENOUGH - 1, 0.05), (ENOUGH, 0.0105)])
def test_little_evidence_or_a_cost_near_its_target_changes_nothing(drawing_world: World, n, cost):
    slates(drawing_world, n, cost, drawing_world.catalog.exploration_tau)
    assert budget.steer(drawing_world.catalog) is None


def test_a_mean_cost_of_many_draws_is_what_the_mixture_gives_up():
    # Three candidates worth 1, .5 and 0, one place, odds by the champion alone.
    mixture = Mixture(np.log(np.array([[0.7, 0.2, 0.1]])).astype(np.float32), np.array([1.0]))
    worth, values = np.array([1.0, 0.5, 0.0]), np.array([3.0, 2.0, 1.0])
    costs = [
        drawing._cost(worth, values, drawing.draw(mixture, 3, seed), 1) for seed in range(4_000)
    ]
    expected = 0.2 * 0.5 + 0.1 * 1.0
    assert np.mean(costs) == pytest.approx(expected, abs=4 * np.std(costs) / np.sqrt(len(costs)))


def test_a_drawn_list_can_be_audited_place_by_place(drawing_world: World):
    user, api = drawing_world.user(0, 1), key_for(drawing_world.catalog)
    shown = api.get(f"recommendations?user={user.external_id}&limit=3").json()
    slate = api.get(f"slates/{shown['slate_id']}").json()
    assert_conforms(slate, "SlateOutput")
    assert slate["sampler"] == "mix"
    assert len(slate["logits"]) == len(slate["contenders"]) == len(slate["alphas"]) == 3
    assert len(slate["items"]) == 3
    for one in slate["items"]:
        assert slate["eps"] / len(slate["candidates"]) * 0.999 <= one["p_marginal"] <= 1
        assert one["p_marginal"] <= one["p_included"] <= 1 + 1e-9


@pytest.mark.parametrize("ask", ["recommend", "home"])
def test_events_are_left_out_once_however_often_a_list_is_drawn(
    drawing_world: World, monkeypatch, ask: str
):
    looked = []
    look = reasons.leave_one_out
    monkeypatch.setattr(
        reasons, "leave_one_out", lambda *given: looked.append(given) or look(*given)
    )
    user = drawing_world.user(0, 1)
    for _ in range(6):
        getattr(services, ask)(drawing_world.ask(user, limit=8))
    assert len(looked) == 1
