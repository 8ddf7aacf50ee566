from __future__ import annotations

from datetime import timedelta

import pytest

from recommender.catalog.models import Catalog
from recommender.collect.models import Event, Impression, Slate, User
from recommender.simulate.services import Stretch, played, simulate
from recommender.simulate.world import WorldConfig
from tests.factories import START, make_catalog, make_item

pytestmark = pytest.mark.django_db
SMALL = WorldConfig(n_visitors=4, click_base=0.0)
WEEK = Stretch(START + timedelta(days=10), START + timedelta(days=17), visits=6)


@pytest.fixture
def catalog() -> Catalog:
    made = make_catalog()
    for number in range(20):
        make_item(made, categories=[["Drama"], ["Comedy"]][number % 2])
    return made


def test_every_row_that_a_visit_leaves_is_labeled(catalog: Catalog) -> None:
    assert simulate(catalog=catalog, stretch=WEEK, config=SMALL) == 6
    assert set(Slate.objects.values_list("is_simulated", flat=True)) == {True}
    assert set(Event.objects.values_list("source", flat=True)) == {"simulated"}
    assert set(User.objects.values_list("is_simulated", flat=True)) == {True}


def test_visits_lie_inside_their_stretch_and_events_follow_their_slate(catalog: Catalog) -> None:
    simulate(catalog=catalog, stretch=WEEK, config=SMALL)
    times = list(Slate.objects.order_by("decided_at").values_list("decided_at", flat=True))
    assert WEEK.starts_at <= times[0] <= times[-1] < WEEK.ends_at
    for event in Event.objects.select_related("slate"):
        assert event.slate is not None
        assert event.occurred_at > event.slate.decided_at
        assert event.clock_skew_s <= 0 or event.occurred_at <= event.received_at


def test_a_stretch_that_was_cut_short_goes_on_and_repeats_nothing(catalog: Catalog) -> None:
    seen: list[int] = []

    def cut(done: int, total: int) -> None:
        seen.append(done)
        if done == 3 and len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(catalog=catalog, stretch=WEEK, config=SMALL, progress=cut)
    assert played(catalog=catalog, stretch=WEEK) == 3
    assert simulate(catalog=catalog, stretch=WEEK, config=SMALL) == 3
    assert simulate(catalog=catalog, stretch=WEEK, config=SMALL) == 0
    assert Slate.objects.count() == 6


def test_clicks_come_back_with_the_token_of_what_was_shown(catalog: Catalog) -> None:
    simulate(catalog=catalog, stretch=WEEK, config=SMALL)
    clicks = Event.objects.filter(type="click")
    assert clicks.exists()
    for click in clicks:
        shown = Impression.objects.get(slate=click.slate, position=click.position)
        assert shown.item_id == click.item_id


def test_an_empty_catalog_is_visited_in_vain() -> None:
    assert simulate(catalog=make_catalog(), stretch=WEEK, config=SMALL) == 6
    assert not Event.objects.exists()
