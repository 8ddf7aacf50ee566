import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import IntegrityError
from hypothesis import given
from hypothesis import strategies as st

from recommender.collect.models import FeatureSnapshot, Impression, Slate
from recommender.collect.slates import (
    ImpressionRecord,
    SlateRecord,
    add_impressions,
    uuid7,
    write_slate,
)
from tests.factories import START, make_catalog, make_item, make_user, make_version

pytestmark = pytest.mark.django_db


def record(catalog, **fields) -> SlateRecord:
    defaults = {
        "id": uuid7(START),
        "request_id": "r1",
        "decided_at": START,
        "catalog_id": catalog.pk,
        "user_id": None,
        "surface": "home",
        "k": 2,
        "hour_local": 9,
        "consent": "personalized",
        "policy_id": "greedy",
        "policy_version": "1",
        "policy_config_hash": "0" * 64,
        "strategy": "neural",
        "latency_ms": 3.5,
        "seed": -(2**63),
        "sampler": "deterministic",
        "candidates": np.array([1, 2], "<i4").tobytes(),
        "logits": np.array([0.5, 0.25], "<f4").tobytes(),
    }
    return SlateRecord(**(defaults | fields))


def test_every_field_of_a_slate_comes_back_as_it_went_in():
    catalog = make_catalog()
    user, version = make_user(catalog), make_version(catalog)
    written = record(
        catalog,
        user_id=user.pk,
        model_version_id=version.pk,
        model_trained_to=START,
        alphas=[0.98, 0.02],
        masks=[[1], []],
        fixed=[{"position": 4}],
        experiment_keys=[["exp", "B", 7]],
        retrieval_sources={"1": "model"},
        is_simulated=True,
        eps=0.02,
        page=2,
    )
    write_slate(slate=written, impressions=[])
    stored = Slate.objects.get(pk=written.id)
    for name in SlateRecord.__dataclass_fields__:
        if name != "feature_snapshot":
            value = getattr(stored, name)
            assert (bytes(value) if isinstance(value, memoryview) else value) == getattr(
                written, name
            ), name


def test_impressions_are_written_with_their_slate():
    catalog = make_catalog()
    first, second = make_item(catalog), make_item(catalog)
    slate = record(catalog)
    write_slate(
        slate=slate,
        impressions=[
            ImpressionRecord(first.pk, 1, 0.9, reason_codes=("popular",)),
            ImpressionRecord(second.pk, 2, 0.8, row=2, col=1, uncertainty=0.1, p_cond=0.5),
        ],
    )
    one, two = Impression.objects.filter(slate_id=slate.id).order_by("position")
    assert (one.item, one.reason_codes, one.p_cond, one.served_at) == (
        first,
        ["popular"],
        1.0,
        START,
    )
    assert (two.item, two.row, two.uncertainty, two.p_cond) == (second, 2, 0.1, 0.5)


def test_slates_that_read_the_same_share_one_snapshot():
    catalog = make_catalog()
    for number in (1, 2):
        moment = START + timedelta(seconds=number)
        slate = record(catalog, id=uuid7(moment), feature_snapshot=b'{"history": [1]}')
        write_slate(slate=slate, impressions=[])
    snapshot = FeatureSnapshot.objects.get()
    assert zlib.decompress(bytes(snapshot.blob)) == b'{"history": [1]}'
    assert snapshot.slates.count() == 2


def test_a_slate_takes_few_queries(django_assert_max_num_queries):
    catalog = make_catalog()
    items = [make_item(catalog) for _ in range(20)]
    slate = record(catalog, feature_snapshot=b"x")
    shown = [ImpressionRecord(item.pk, at, 0.5) for at, item in enumerate(items, start=1)]
    # Three inserts; nested blocks add their savepoints inside the test's own transaction.
    with django_assert_max_num_queries(7):
        write_slate(slate=slate, impressions=shown)
    assert Impression.objects.count() == 20


def test_a_further_page_is_added_once_however_often_it_is_asked_for():
    catalog = make_catalog()
    items = [make_item(catalog) for _ in range(3)]
    slate = record(catalog)
    write_slate(slate=slate, impressions=[ImpressionRecord(items[0].pk, 1, 0.9)])
    page = [ImpressionRecord(items[1].pk, 2, 0.8), ImpressionRecord(items[2].pk, 3, 0.7)]
    later = START + timedelta(minutes=1)
    for _ in range(2):
        add_impressions(slate_id=slate.id, served_at=later, impressions=page)
    rows = Impression.objects.order_by("position").values_list("position", "served_at")
    assert list(rows) == [(1, START), (2, later), (3, later)]


@pytest.mark.django_db(transaction=True)
def test_an_unknown_item_leaves_no_slate_behind():
    catalog = make_catalog()
    with pytest.raises(IntegrityError):
        write_slate(slate=record(catalog), impressions=[ImpressionRecord(10**6, 1, 0.5)])
    assert not Slate.objects.exists()


@given(st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_a_uuid7_tells_its_millisecond_version_and_variant(moment):
    made = uuid7(moment)
    assert made.int >> 80 == int(moment.timestamp() * 1000)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")


def test_later_uuid7s_sort_later_and_none_repeat():
    made = [uuid7(START + timedelta(milliseconds=n)) for n in range(100)]
    assert made == sorted(made)
    assert len({uuid7(START) for _ in range(100)}) == 100


def test_records_are_not_changed_by_writing():
    catalog = make_catalog()
    slate = record(catalog, alphas=[1.0])
    write_slate(slate=slate, impressions=[])
    assert replace(slate).alphas == [1.0]
