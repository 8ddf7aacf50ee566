"""Click rates and traffic figures equal a recomputation by hand or in plain Python."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.collect.models import Event, Slate
from recommender.dashboard import queries_traffic as traffic
from recommender.dashboard.queries_traffic import Rate, Window, window_of
from tests.dashboard.world import NOW, World, see
from tests.factories import make_catalog, make_event, make_item, make_slate, make_user

pytestmark = pytest.mark.django_db


def total(window: Window) -> Rate:
    return traffic.total_rate(traffic.user_rates(window))


def by_hand(world: World) -> dict[tuple[object, int], tuple[int, int]]:
    """Count seen and clicked positions by day and version in plain Python."""
    clicked: dict[tuple[object, int], bool] = {}
    for event in Event.objects.filter(type__in=["impression", "click"], slate__isnull=False):
        key = (event.slate_id, event.position)
        clicked[key] = clicked.get(key, False) or event.type == "click"
    counts: dict[tuple[object, int], tuple[int, int]] = {}
    for (slate_id, _position), is_click in clicked.items():
        slate = Slate.objects.get(pk=slate_id)
        key = (slate.decided_at.date(), slate.model_version_id)
        n, c = counts.get(key, (0, 0))
        counts[key] = (n + 1, c + is_click)
    return counts


def test_ctr_by_day_and_version_equals_a_count_in_python(world: World):
    rates = traffic.click_rates(window_of(world.catalog, 28, NOW), "day", "version")
    found = {(rate.day, rate.version_id): (rate.viewed, rate.clicked) for rate in rates}
    assert found == by_hand(world)
    assert len(found) == 6


def test_the_total_is_the_sum_of_the_days(world: World):
    window = window_of(world.catalog, 28, NOW)
    days = traffic.click_rates(window, "day")
    found = total(window)
    assert (found.viewed, found.clicked) == (72, 15)  # 24 lists × 3 seen; 3×1 + 3×4 clicks
    assert sum(rate.viewed for rate in days) == 72


def test_the_cluster_sums_are_those_of_users(world: World):
    found = total(window_of(world.catalog, 28, NOW))
    # Each of 4 users saw 18 positions; one clicked 6 times, three clicked 3 times.
    assert found.users == 4
    assert (found.sum_nn, found.sum_cc, found.sum_cn) == (4 * 324, 36 + 27, 18 * 15)


def test_each_grouping_costs_one_query(world: World, django_assert_num_queries):
    window = window_of(world.catalog, 28, NOW)
    for by in ((), ("day",), ("version",), ("day", "version")):
        with django_assert_num_queries(1):
            traffic.click_rates(window, *by)


def test_a_click_without_a_view_event_counts_as_seen(db: None):
    catalog = make_catalog()
    item, user = make_item(catalog), make_user(catalog)
    slate = make_slate(catalog, [item], user, at=NOW - timedelta(hours=1))
    make_event(user, item, "click", at=NOW, slate=slate, position=1)
    found = total(window_of(catalog, 7, NOW))
    assert (found.viewed, found.clicked) == (1, 1)


def test_a_click_without_a_token_counts_in_no_rate(world: World):
    before = total(window_of(world.catalog, 28, NOW))
    make_event(world.users[0], world.items[0], "click", at=NOW - timedelta(hours=1))
    assert total(window_of(world.catalog, 28, NOW)) == before


def test_served_is_not_seen(db: None):
    catalog = make_catalog()
    make_slate(catalog, [make_item(catalog)], make_user(catalog), at=NOW - timedelta(hours=1))
    assert total(window_of(catalog, 7, NOW)).viewed == 0


def test_a_late_click_joins_the_day_of_its_list(db: None):
    catalog = make_catalog()
    item, user = make_item(catalog), make_user(catalog)
    slate = make_slate(catalog, [item], user, at=NOW - timedelta(days=3))
    make_event(user, item, "click", at=NOW, slate=slate, position=1)
    (rate,) = traffic.click_rates(window_of(catalog, 7, NOW), "day")
    assert rate.day == (NOW - timedelta(days=3)).date()


def test_another_catalog_is_not_counted(world: World):
    assert total(window_of(make_catalog(), 28, NOW)).viewed == 0


def test_simulated_and_real_visits_add_up(world: World):
    Slate.objects.filter(user=world.users[0]).update(is_simulated=True)
    everything, people, simulated = (
        total(window_of(world.catalog, 28, NOW, kind)).viewed
        for kind in ("all", "people", "simulated")
    )
    assert (everything, people, simulated) == (72, 54, 18)
    assert traffic.simulated_share(window_of(world.catalog, 28, NOW)) == 0.25


def test_private_visits_are_clusters_of_their_own(db: None):
    catalog = make_catalog()
    item, other = make_item(catalog), make_user(catalog)
    for hour in (1, 2):
        slate = make_slate(catalog, [item], None, at=NOW - timedelta(hours=hour))
        make_event(other, item, "impression", at=NOW, slate=slate, position=1)
    assert total(window_of(catalog, 7, NOW)).users == 2


@given(
    viewed=st.integers(1, 500),
    share=st.floats(0, 1),
    users=st.integers(1, 50),
    spread=st.floats(0, 1e4),
)
def test_an_interval_holds_its_rate_and_stays_between_0_and_1(viewed, share, users, spread):
    clicked = round(share * viewed)
    rate = Rate(None, None, viewed, clicked, users, spread, spread / 2, spread)
    bounds = rate.interval
    assert 0 <= bounds.low <= bounds.value + 1e-12
    assert bounds.value - 1e-12 <= bounds.high <= 1


def test_users_who_differ_widen_the_interval():
    # Two of ten users click all of their ten items: the same rate as 20 clicks spread evenly.
    even = Rate(None, None, 100, 20, 10, sum_cc=10 * 4, sum_cn=10 * 20, sum_nn=1000)
    lumpy = Rate(None, None, 100, 20, 10, sum_cc=2 * 100, sum_cn=2 * 100, sum_nn=1000)
    assert even.design_effect == 1.0
    # (200 − 2·.2·200 + .04·1000) · 10/9 / (100·.2·.8) = 160 · 10/9 / 16
    assert lumpy.design_effect == pytest.approx(100 / 9)
    assert lumpy.interval.high > even.interval.high


def test_no_view_has_no_rate():
    assert math.isnan(Rate(None, None, 0, 0, 0, 0, 0, 0).interval.value)


def test_p95_is_the_nearest_rank(db: None):
    catalog = make_catalog()
    item = make_item(catalog)
    for n in range(1, 21):
        make_slate(catalog, [item], at=NOW - timedelta(minutes=n), latency_ms=float(n))
    found = traffic.latency(window_of(catalog, 7, NOW))
    assert found is not None
    assert (found.value, found.n) == (19.0, 20)  # rank ⌈.95 · 20⌉ = 19
    assert found.low <= found.value <= found.high


def test_latency_is_none_without_lists(db: None):
    assert traffic.latency(window_of(make_catalog(), 7, NOW)) is None


def test_coverage_counts_items_seen_once(world: World):
    window = window_of(world.catalog, 28, NOW)
    assert traffic.items_shown(window) == 3
    assert traffic.visible_items(window) == 6


def test_active_users_are_users_with_an_event(world: World):
    make_user(world.catalog)
    assert traffic.active_users(window_of(world.catalog, 28, NOW)) == 4


def test_feedback_is_counted_by_the_minute_without_views_and_imports(db: None):
    catalog = make_catalog()
    item, user = make_item(catalog), make_user(catalog)
    for minute in range(30):
        make_event(user, item, at=NOW - timedelta(minutes=minute + 1))
    make_event(user, item, "impression", at=NOW - timedelta(minutes=1))
    make_event(user, item, at=NOW - timedelta(minutes=1), source="import")
    make_event(user, item, at=NOW - timedelta(minutes=90))
    flow = traffic.feedback_flow(window_of(catalog, 7, NOW))
    assert (flow.per_minute, flow.before, flow.n) == (0.5, 1 / 60, 30)
    assert flow.low < 0.5 < flow.high


def test_the_newest_fact_is_a_list_or_an_event(db: None):
    catalog = make_catalog()
    assert traffic.newest_data(catalog) is None
    item, user = make_item(catalog), make_user(catalog)
    slate = make_slate(catalog, [item], user, at=NOW - timedelta(hours=2))
    assert traffic.newest_data(catalog) == slate.decided_at
    make_event(user, item, at=NOW)
    assert traffic.newest_data(catalog) == NOW


def test_a_window_holds_whole_days_and_today(db: None):
    window = window_of(make_catalog(), 7, NOW)
    assert (window.today - window.first_day).days == 6
    assert window.before.until == window.since


def test_one_more_seen_position_counts_once(world: World):
    see(world.slates[0], 4, world.items[3])
    assert total(window_of(world.catalog, 28, NOW)).viewed == 73
