"""Search: prefixes, tokens, makers, typos, nearest titles, personal order among equals."""

from __future__ import annotations

import pytest

from recommender.catalog.models import Catalog, Item
from recommender.serve import services
from recommender.serve.items import table_for
from recommender.serve.searching import matches
from tests.serve.conftest import World

TITLES = {
    0: ("The Shawshank Redemption", ["Frank Darabont"]),
    1: ("Star Wars", ["George Lucas"]),
    2: ("Star Trek: First Contact", ["Jonathan Frakes"]),
    3: ("Amélie", ["Jean-Pierre Jeunet"]),
    4: ("肖申克的救赎", ["弗兰克"]),
    11: ("Starship Troopers", ["Paul Verhoeven"]),
    35: ("Star Maker", ["Giuseppe Tornatore"]),
}


@pytest.fixture
def library(world: World) -> World:
    for place, (title, creators) in TITLES.items():
        Item.objects.filter(pk=world.items[place].pk).update(
            title=title, creators=creators, changed_seq=2
        )
    Catalog.objects.filter(pk=world.catalog.pk).update(items_seq=2)
    return world


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("shawshank", 0),
        ("shawshenk", 0),
        ("the shawshank redemtion", 0),
        ("redemption shaw", 0),
        ("star wars", 1),
        ("lucas", 1),
        ("lukas", 1),
        ("first con", 2),
        ("amelie", 3),
        ("AMÉLIE", 3),
        ("jeunet amelie", 3),
        ("肖申克", 4),
        ("救赎", 4),
        ("troopers", 11),
        ("verhoven", 11),
    ],
)
def test_titles_and_makers_are_found_also_misspelled(library: World, query: str, place: int):
    answer = services.search(library.ask(), query)
    assert answer.items[0].external_id == library.items[place].external_id
    assert not answer.is_nearest
    assert answer.strategy == "search"


def test_a_title_that_starts_with_the_words_stands_before_one_that_holds_them(library: World):
    table = table_for(library.catalog, 2)
    found = matches(table, "star")
    titles = {table.records[row].title: quality for row, quality in found.items()}
    assert set(titles) == {
        "Star Wars",
        "Star Trek: First Contact",
        "Star Maker",
        "Starship Troopers",
    }
    assert titles["Star Wars"] == 1.0 > titles["Starship Troopers"]


def test_equals_stand_in_the_persons_order(library: World):
    plain = services.search(library.ask(), "star").items
    assert plain[0].title == "Star Wars"  # the more popular
    fan = library.user(*(range(30, 40)))
    assert services.search(library.ask(fan), "star").items[0].title == "Star Maker"


def test_nothing_found_offers_the_nearest_titles_and_says_so(library: World):
    answer = services.search(library.ask(), "zzgalactic starz warz qq")
    assert answer.is_nearest
    assert "Star Wars" in {item.title for item in answer.items}
    assert services.search(library.ask(), "  …").items == ()


def test_hidden_items_are_not_found_but_seen_ones_are(library: World):
    user = library.user(0, 1, 2)
    assert services.search(library.ask(user), "wars").items
    Item.objects.filter(pk=library.items[1].pk).update(is_hidden=True, changed_seq=3)
    Catalog.objects.filter(pk=library.catalog.pk).update(items_seq=3)
    answer = services.search(library.ask(user), "star wars")
    assert library.items[1].external_id not in {item.external_id for item in answer.items}


def test_the_reason_names_the_query(library: World):
    answer = services.search(library.ask(), "50% wars")
    answer = answer if answer.items else services.search(library.ask(), "wars")
    assert "wars" in answer.items[0].reasons[0].text


def test_search_pages_with_a_cursor(library: World):
    first = services.search(library.ask(limit=2), "star")
    second = services.search(library.ask(limit=2, cursor=first.next_cursor), "star")
    assert len({i.external_id for i in (*first.items, *second.items)}) == 4
    assert second.next_cursor is None
