"""The item table, filters and cursors."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.catalog.models import Catalog, Item
from recommender.errors import BadData
from recommender.serve import cursors, filters, items
from recommender.serve.cursors import Place
from recommender.serve.kept import Kept
from tests import factories
from tests.serve.conftest import World


def test_the_table_is_loaded_once_and_then_only_what_changed(bare: World, statements):
    with statements() as made:
        first = items.table_for(bare.catalog, 1)
        assert items.table_for(bare.catalog, 1) is first
    assert len(made.sql) == 1
    Item.objects.filter(pk=bare.items[3].pk).update(title="Renamed", changed_seq=2)
    Item.objects.filter(pk=bare.items[4].pk).update(title="Not announced")
    new = factories.make_item(bare.catalog, changed_seq=2)
    second = items.table_for(bare.catalog, 2)
    assert second.by_id(bare.items[3].pk).title == "Renamed"
    assert second.by_id(bare.items[4].pk).title == bare.items[4].title
    assert second.by_id(new.pk).external_id == new.external_id
    assert len(second) == 41


def test_rows_of_unknown_keys_are_minus_one(bare: World):
    table = items.table_for(bare.catalog, 1)
    keys = np.array([bare.items[0].pk, 0, 10**9, bare.items[39].pk])
    assert table.rows(keys).tolist() == [0, -1, -1, 39]
    assert items.build(0, {}).rows(np.array([1])).tolist() == [-1]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"category": "drama"}, {"a", "c"}),
        ({"tag": "Slow"}, {"a"}),
        ({"creator": "Ozu"}, {"a"}),
        ({"language": "ja"}, {"a"}),
        ({"price_min": "5"}, {"b", "c"}),
        ({"price_max": "5"}, {"a", "b"}),
        ({"price_min": "5", "category": "Drama"}, {"c"}),
        ({"published_after": "2020-01-01"}, {"b", "c"}),
        ({"published_before": "2020-01-01T00:00:00+00:00"}, {"a"}),
        ({"country": "JP"}, {"a", "b"}),
        ({}, {"a", "b", "c"}),
    ],
)
def test_filters_select(db: None, wanted: dict[str, str], expected: set[str]):
    catalog = factories.make_catalog(filters=["country"])
    late, early = datetime(2024, 5, 1, tzinfo=UTC), datetime(1953, 11, 3, tzinfo=UTC)
    rows = {
        "a": {"tags": ["slow"], "creators": ["Ozu"], "language": "ja", "price": 1.0}
        | {"published_at": early, "attributes": {"country": "JP"}},
        "b": {"categories": ["Comedy"], "price": 5.0, "published_at": late}
        | {"attributes": {"country": ["US", "jp"]}},
        "c": {"price": 9.0, "published_at": late},
    }
    for name, fields in rows.items():
        factories.make_item(catalog, external_id=name, **fields)
    table = items.table_for(catalog, 1)
    kept = filters.mask(catalog, table, wanted)
    found = {r.external_id for r, keep in zip(table.records, kept, strict=True) if keep}
    assert found == expected


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("colour", "red", "'colour' is unknown; this catalog knows: category, tag"),
        ("price_min", "cheap", "price_min is 'cheap'; expected a number"),
        ("price_max", "nan", "price_max is 'nan'; expected a number"),
        ("published_after", "soon", "published_after is 'soon'; expected a date"),
    ],
)
def test_bad_filters_say_what_would_be_good(name: str, value: str, message: str):
    with pytest.raises(BadData, match=message):
        filters.parse(Catalog(slug="x"), {name: value})


@given(st.binary(min_size=16, max_size=16), st.integers(0, 65535), st.integers(1, 65535))
def test_a_cursor_reads_back_as_it_was_made(raw: bytes, offset: int, position: int):
    place = Place(uuid.UUID(bytes=raw), offset, position, 2)
    assert cursors.read(cursors.make(place)) == place


@given(st.text(max_size=80))
def test_no_text_passes_for_a_cursor(text: str):
    with pytest.raises(BadData, match="start again without a cursor"):
        cursors.read(text)


def test_kept_results_are_few_and_none_is_not_one():
    kept: Kept[int | None] = Kept(2)
    calls: list[str] = []

    def compute(key: str, value: int | None) -> int | None:
        calls.append(key)
        return value

    for key, value in (("a", 1), ("a", 2), ("b", 3), ("c", 4), ("a", 5), ("d", None), ("d", 6)):
        kept.get(key, lambda key=key, value=value: compute(key, value))
    assert calls == ["a", "b", "c", "a", "d", "d"]
