"""Reading: times of either database, encoders by name, columns as they are."""

import os
import time
from datetime import UTC, datetime

import numpy as np
import pytest

from recommender.catalog.models import ItemVector
from recommender.ml.interactions import Modality
from recommender.prepare.read import (
    ItemRow,
    _seconds,
    categories_of,
    read_attributes,
    read_content,
    read_events,
)
from tests.factories import START, make_catalog, make_event, make_item, make_user

DAY_2 = datetime(1970, 1, 2)


@pytest.fixture
def _far_from_utc(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    yield
    monkeypatch.undo()
    os.environ["TZ"] = "UTC"
    time.tzset()


@pytest.mark.usefixtures("_far_from_utc")
@pytest.mark.parametrize(
    "moment", [DAY_2, DAY_2.replace(tzinfo=UTC), "1970-01-02 00:00:00.250", "1970-01-02 00:00:00"]
)
def test_a_time_is_utc_wherever_the_server_stands(moment):
    assert _seconds([moment]).tolist() == [86_400]


@pytest.mark.django_db
def test_events_come_in_order_of_time_then_arrival(monkeypatch):
    monkeypatch.setattr("recommender.prepare.read.ROWS_AT_ONCE", 2)  # several chunks
    catalog = make_catalog()
    user, item = make_user(catalog), make_item(catalog)
    for value in (3.0, 4.0, 5.0):
        make_event(user, item, value=value, at=START)
    make_event(user, item, value=1.0, at=START.replace(year=2025))
    make_event(user, item, type="click", value=None, at=START, trust=0.5, source="simulated")
    table = read_events(
        catalog=catalog, until=START, types=("click", "rating"), include_simulated=True
    )
    np.testing.assert_array_equal(table.value, [1, 3, 4, 5, np.nan])
    assert table.type.tolist() == [1, 1, 1, 1, 0]
    assert table.trust.tolist() == [1, 1, 1, 1, 0.5]
    assert table.simulated.tolist() == [False, False, False, False, True]
    assert table.occurred[1] == int(START.timestamp())


@pytest.mark.django_db
def test_vectors_of_two_versions_are_never_mixed():
    catalog = make_catalog()
    items = [make_item(catalog) for _ in range(3)]
    for item, version, vector in zip(items, "221", ([1, 0], [0, 2], [0, 5]), strict=True):
        ItemVector.objects.create(
            item=item,
            encoder_id="hashing",
            encoder_version=version,
            dimension=2,
            vector=np.array(vector, dtype="<f4").tobytes(),
            source_hash="0",
            created_at=START,
        )
    ids = np.array([0, *(item.pk for item in items)])
    content, modalities = read_content(catalog=catalog, encoders={"text": "hashing"}, item_ids=ids)
    assert content.tolist() == [[0, 0], [1, 0], [0, 1], [0, 0]]
    assert modalities == (Modality("text", 2, "hashing@2"),)


@pytest.mark.django_db
def test_each_modality_has_its_own_columns_and_the_fuller_encoder_serves():
    catalog = make_catalog()
    items = [make_item(catalog) for _ in range(3)]
    rows = [
        ("text", "old", 0, [1.0, 0.0]),
        ("text", "old", 1, [0.0, 2.0]),
        ("text", "hashing", 2, [4.0, 3.0]),  # the new one has only begun
        ("sound", "musicnn", 2, [0.0, 0.0, 5.0]),
    ]
    for modality, encoder, place, vector in rows:
        ItemVector.objects.create(
            item=items[place],
            modality=modality,
            encoder_id=encoder,
            encoder_version="1",
            dimension=len(vector),
            vector=np.array(vector, dtype="<f4").tobytes(),
            source_hash="0",
            created_at=START,
        )
    names = {"text": "hashing", "picture": "bundled:efficientnet", "sound": "bundled:musicnn"}
    ids = np.array([0, *(item.pk for item in items)])
    content, modalities = read_content(catalog=catalog, encoders=names, item_ids=ids)
    assert content.tolist() == [[0] * 5, [1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 1]]
    assert modalities == (Modality("text", 2, "old@1"), Modality("sound", 3, "musicnn@1"))


@pytest.mark.django_db
def test_no_vectors_give_no_columns():
    content, modalities = read_content(
        catalog=make_catalog(), encoders={"text": "hashing"}, item_ids=np.array([0, 7])
    )
    assert (content.shape, modalities) == ((2, 0), ())


@pytest.mark.django_db
def test_attributes_come_in_the_order_asked_for(monkeypatch):
    monkeypatch.setattr("recommender.prepare.read.KEYS_AT_ONCE", 1)
    catalog = make_catalog()
    keys = [make_user(catalog, attributes={"age": age}).pk for age in (20, 30)]
    found = read_attributes(np.array([keys[1], 0, keys[0]]))
    assert found == [{"age": 30}, {}, {"age": 20}]


@pytest.mark.parametrize(
    ("stored", "expected"),
    [(["Drama"], ["Drama"]), ("Drama", ["Drama"]), ([1, None, "x"], ["1", "x"]), ({}, [])],
)
def test_categories_are_words_whatever_was_stored(stored, expected):
    row = ItemRow(pk=1, price=None, sales=None, published_at=None, categories=stored)
    assert categories_of(row) == expected
