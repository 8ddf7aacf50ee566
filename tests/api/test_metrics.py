"""The series: expected values are counted by hand."""

from datetime import timedelta

import pytest

from tests import factories
from tests.api.conftest import assert_conforms, key_for

START = factories.START


@pytest.fixture
def traffic(catalog, items):
    """Two days: v1 shows positions 1 and 2 seen, 1 clicked; later v2 shows 1 clicked unseen."""
    user = factories.make_user(catalog)
    first = factories.make_slate(
        catalog, items[:3], user, at=START, model_version=factories.make_version(catalog, number=1)
    )
    second = factories.make_slate(
        catalog,
        items[:3],
        user,
        at=START + timedelta(days=1),
        model_version=factories.make_version(catalog, number=2),
    )
    plain = factories.make_slate(catalog, items[:3], user, at=START + timedelta(days=1))
    for slate, position, type in (
        (first, 1, "impression"),
        (first, 2, "impression"),
        (first, 1, "click"),
        (second, 1, "click"),
        (plain, 3, "impression"),
    ):
        item = items[position - 1]
        factories.make_event(user, item, type, slate=slate, position=position)
    factories.make_event(user, items[0], "click")  # organic: no slate, no rate


def series(api, by: str, query: str = "from=2026-01-01&to=2026-01-05") -> list[tuple]:
    answer = api.get(f"metrics?by={by}&{query}").json()
    assert_conforms(answer, "MetricsOutput")
    return [(point["key"], point["views"], point["clicks"]) for point in answer["series"]]


def test_days_count_the_lists_decided_on_them(api, traffic):
    assert series(api, "day") == [("2026-01-01", 2, 1), ("2026-01-02", 2, 1)]


def test_versions_are_told_apart_and_none_is_null(api, traffic):
    found = {key: rest for key, *rest in series(api, "version")}
    assert found == {"v1": [2, 1], "v2": [1, 1], None: [1, 0]}


def test_positions_are_told_apart(api, traffic):
    assert series(api, "position") == [("1", 2, 2), ("2", 1, 0), ("3", 1, 0)]


def test_the_rate_carries_wilsons_interval(api, traffic):
    point = api.get("metrics?from=2026-01-01&to=2026-01-02").json()["series"][0]
    # Wilson 95 % of 1 in 2, by hand: center .5, half width 1.96·√(.125 + 3.84/16)/(1 + 3.84/2)
    assert point["ctr"]["value"] == 0.5
    assert point["ctr"]["low"] == pytest.approx(0.0945, abs=1e-3)
    assert point["ctr"]["high"] == pytest.approx(0.9055, abs=1e-3)


def test_the_window_includes_its_start_and_not_its_end(api, traffic):
    assert series(api, "day", "from=2026-01-02&to=2026-01-03") == [("2026-01-02", 2, 1)]
    assert series(api, "day", "from=2026-01-01T00:00:00Z&to=2026-01-02") == [("2026-01-01", 2, 1)]
    assert series(api, "day", "from=2026-01-05&to=2026-01-01") == []


def test_another_catalog_sees_nothing(traffic):
    assert series(key_for(factories.make_catalog()), "day") == []


@pytest.mark.parametrize("query", ["by=user", "from=soon", "to=2026-13-01", "since=2026-01-01"])
def test_a_wrong_question_is_refused(query, api):
    assert api.get(f"metrics?{query}").status_code == 400


@pytest.mark.parametrize(
    "query", ["from=0001-01-01", "to=9999-12-31", "from=2026-01-01T00:00-14:00"]
)
def test_far_away_times_are_bounded(query, api):
    assert api.get(f"metrics?{query}").status_code == 200
