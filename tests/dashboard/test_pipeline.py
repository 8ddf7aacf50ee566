"""The pipeline page: stages as they run, what exploring costs, and the dial for it."""

import pytest
from django.test import Client

from recommender.catalog.models import Catalog
from tests.dashboard.world import World
from tests.factories import make_slate


def page_of(client: Client) -> str:
    """Return the page."""
    return client.get("/ops/pipeline/").content.decode()


def draw(world: World, costs: list[float]) -> Catalog:
    """Log drawn lists of these costs."""
    catalog = world.live.catalog
    Catalog.objects.filter(pk=catalog.pk).update(exploration_target=0.01)
    for cost in costs:
        make_slate(catalog, [], sampler="mix", cost=cost, tau=catalog.exploration_tau)
    return catalog


def test_all_stages_stand_in_order_with_their_figures(world: World, ops: Client):
    page = page_of(ops)
    titles = ["Filters", "Candidate sources", "Scorer", "Popularity prior", "Diversity", "Draw"]
    places = [page.index(f"<h3>{title}") for title in titles]
    assert places == sorted(places)
    assert "mmr" in page


def test_what_drawing_cost_stands_there_with_its_interval(world: World, ops: Client):
    draw(world, [0.0, 0.02, 0.01, 0.01])
    assert "Drawing cost 1.00 % of the best lists' worth" in page_of(ops).replace("&#x27;", "'")


@pytest.mark.parametrize(("costs", "said"), [([], "No list was drawn"), ([0.01], "No list was")])
def test_too_little_to_say_is_said(world: World, ops: Client, costs: list[float], said: str):
    draw(world, costs)
    assert said in page_of(ops)


def test_without_exploration_the_page_says_what_that_means(world: World, ops: Client):
    assert "no estimate can be made" in page_of(ops)


@pytest.mark.parametrize(("given", "target"), [("1.5", 0.015), ("0", 0.0), ("0,5", 0.005)])
def test_an_operator_sets_what_exploring_may_cost(world: World, ops: Client, given, target):
    ops.post("/ops/pipeline/exploration/", {"target": given})
    assert Catalog.objects.get().exploration_target == pytest.approx(target)


@pytest.mark.parametrize("given", ["2.1", "-1", "much", "", "nan"])
def test_what_is_no_share_up_to_two_percent_is_refused(world: World, ops: Client, given: str):
    draw(world, [])
    page = ops.post("/ops/pipeline/exploration/", {"target": given}, follow=True)
    assert Catalog.objects.get().exploration_target == 0.01
    said = "is not a number of percent" if given in {"much", ""} else "may cost 0 to 2 %"
    assert said in page.content.decode()
