from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django.fixtures import Settings

from recommender import clock
from recommender.errors import Refused


def test_time_is_real_time_in_utc() -> None:
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=2)
    assert clock.now().utcoffset() == timedelta(0)


def test_time_stands_still_inside_the_block_and_runs_on_after_it() -> None:
    moment = datetime(2020, 2, 29, tzinfo=UTC)
    with clock.at(moment):
        assert clock.now() == moment
    assert clock.now() > moment


def test_without_the_flag_nobody_moves_time() -> None:
    with pytest.raises(Refused, match="SIM_CLOCK=1"):
        clock.set_forward(datetime(2100, 1, 1, tzinfo=UTC))


@pytest.mark.django_db
def test_with_the_flag_time_moves_forward_only(settings: Settings) -> None:
    settings.SIM_CLOCK = True
    target = datetime.now(UTC) + timedelta(days=3)
    try:
        clock.set_forward(target)
        assert timedelta(0) <= clock.now() - target < timedelta(seconds=2)
        with pytest.raises(Refused, match="time only moves forward"):
            clock.set_forward(target - timedelta(days=1))
    finally:
        clock.ClockOffset.objects.all().delete()
        clock._cached = (-1e9, timedelta(0))


@pytest.mark.django_db
def test_a_stored_offset_means_nothing_without_the_flag() -> None:
    clock.ClockOffset.objects.create(id=1, offset=timedelta(days=9))
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=2)
