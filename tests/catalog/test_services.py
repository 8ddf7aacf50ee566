from dataclasses import replace
from datetime import UTC, datetime

import pytest

from recommender import clock
from recommender.catalog.models import Catalog, Item
from recommender.catalog.services import (
    BadItem,
    ItemInput,
    create_catalog,
    default_catalog,
    find_catalog,
    find_item,
    hide_item,
    put_items,
)
from recommender.errors import BadData, Missing
from tests.factories import make_catalog, make_item

pytestmark = pytest.mark.django_db

GOOD = ItemInput(external_id="1", title="Heat", categories=("Crime",), attributes={"year": 1995})


@pytest.mark.parametrize("scenario", ["films", "shop", "news", "social"])
def test_a_catalog_starts_with_its_scenarios_rules(scenario):
    catalog = create_catalog(slug="it", name="It", scenario=scenario)
    assert catalog.event_rules["dismiss"]["role"] == "negative"
    assert ("purchase" in catalog.event_rules) == (scenario in {"films", "shop"})
    assert catalog.filters


@pytest.mark.parametrize(
    ("options", "liked_from"),
    [
        ({}, 4.0),
        ({"rating_min": 1.0, "rating_max": 10.0}, 7.75),
        ({"rating_min": 0.0, "rating_max": 100.0}, 75.0),
        ({"rating_min": 0.0, "rating_max": 100.0, "liked_from": 60.0}, 60.0),
    ],
)
def test_a_rating_scale_of_its_own_says_what_is_liked(options, liked_from):
    catalog = create_catalog(slug="scaled", name="Scaled", scenario="films", **options)
    assert catalog.liked_from == liked_from


def test_options_override_the_scenarios_defaults():
    catalog = create_catalog(slug="it", name="It", scenario="shop", rating_max=10.0, is_demo=True)
    assert (catalog.rating_min, catalog.rating_max, catalog.is_demo) == (1.0, 10.0, True)


def test_an_unknown_scenario_is_refused_with_the_known_ones():
    with pytest.raises(BadData, match="'opera'; choose one of films, shop, news, social"):
        create_catalog(slug="it", name="It", scenario="opera")


def test_a_new_default_catalog_takes_over_from_the_old_one():
    first = create_catalog(slug="a", name="A", scenario="films", is_default=True)
    second = create_catalog(slug="b", name="B", scenario="news", is_default=True)
    assert default_catalog() == second
    first.refresh_from_db()
    assert not first.is_default


def test_without_a_default_the_first_catalog_is_shown():
    assert default_catalog() is None
    first, _second = make_catalog(), make_catalog()
    assert default_catalog() == first
    assert find_catalog(first.slug) == first


def test_an_unknown_catalog_is_missing_by_name():
    with pytest.raises(Missing, match="no catalog 'nowhere'"):
        find_catalog("nowhere")


def test_items_come_back_in_the_order_given_and_the_sequence_rises_once():
    catalog = make_catalog()
    rows = put_items(
        catalog=catalog, items=[replace(GOOD, external_id=name) for name in ("b", "a", "c")]
    )
    assert [row.external_id for row in rows] == ["b", "a", "c"]
    assert Catalog.objects.get(pk=catalog.pk).items_seq == 1
    assert {row.changed_seq for row in rows} == {1}


def test_putting_an_item_again_replaces_it_whole_and_keeps_its_birthday():
    catalog = make_catalog()
    with clock.at(datetime(2026, 1, 1, tzinfo=UTC)):
        [old] = put_items(catalog=catalog, items=[replace(GOOD, price=9.5, tags=("old",))])
    [new] = put_items(catalog=catalog, items=[replace(GOOD, title="Heat 2")])
    assert (new.pk, new.created_at) == (old.pk, old.created_at)
    assert (new.title, new.price, new.tags, new.attributes) == ("Heat 2", None, [], {"year": 1995})
    assert new.changed_seq == 2
    assert new.text_hash != old.text_hash


def test_what_the_encoder_does_not_read_leaves_the_text_hash_alone():
    catalog = make_catalog()
    [old] = put_items(catalog=catalog, items=[GOOD])
    [new] = put_items(catalog=catalog, items=[replace(GOOD, price=3.0, attributes={})])
    assert new.text_hash == old.text_hash


def test_of_two_inputs_with_one_id_the_later_counts():
    rows = put_items(catalog=make_catalog(), items=[GOOD, replace(GOOD, title="Later")])
    assert [row.title for row in rows] == ["Later", "Later"]


def test_catalogs_do_not_share_ids():
    one, other = make_catalog(), make_catalog()
    put_items(catalog=one, items=[GOOD])
    assert find_item(one, "1").title == "Heat"
    assert find_item(other, "1") is None


def test_putting_nothing_changes_nothing():
    catalog = make_catalog()
    assert put_items(catalog=catalog, items=[]) == []
    assert Catalog.objects.get(pk=catalog.pk).items_seq == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"external_id": ""}, "external_id"),
        ({"external_id": "x" * 201}, "external_id"),
        ({"title": "  "}, "title"),
        ({"title": "a\0b"}, "title"),
        ({"description": "\ud800"}, "description"),
        ({"categories": ("x" * 201,)}, "categories"),
        ({"tags": ["t"] * 201}, "tags"),
        ({"price": -1.0}, "price"),
        ({"price": float("nan")}, "price"),
        ({"price": 10**400}, "price"),
        ({"sales": 2**63}, "sales"),
        ({"published_at": datetime(2026, 1, 1)}, "published_at"),
        ({"image_url": "javascript:alert(1)"}, "image_url"),
        ({"image_url": "//evil.example/x.png"}, "image_url"),
        ({"audio_url": "data:text/html,x"}, "audio_url"),
    ],
)
def test_an_item_that_cannot_be_kept_is_refused_by_field_and_nothing_is_stored(changes, field):
    catalog = make_catalog()
    with pytest.raises(BadItem) as caught:
        put_items(catalog=catalog, items=[replace(GOOD, external_id="2"), replace(GOOD, **changes)])
    assert caught.value.field == field
    assert not Item.objects.exists()


@pytest.mark.parametrize("url", ["", "/static/x.png", "https://a.example/x", "HTTP://a.example/x"])
def test_ordinary_addresses_are_kept(url):
    [row] = put_items(catalog=make_catalog(), items=[replace(GOOD, image_url=url)])
    assert row.image_url == url


def test_hiding_takes_an_item_out_of_what_is_visible_and_tells_the_workers():
    catalog = make_catalog()
    item = make_item(catalog)
    hide_item(item=item, is_hidden=True)
    assert not Item.objects.visible(clock.now()).exists()
    assert list(Item.objects.newer_than(0)) == [item]
    assert Catalog.objects.get(pk=catalog.pk).items_seq == item.changed_seq == 1
    hide_item(item=item, is_hidden=False)
    assert Item.objects.visible(clock.now()).get() == item


def test_many_items_take_few_queries(django_assert_max_num_queries):
    catalog = make_catalog()
    items = [replace(GOOD, external_id=str(number)) for number in range(40)]
    with django_assert_max_num_queries(7):
        put_items(catalog=catalog, items=items)
