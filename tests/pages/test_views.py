"""Pages answer in both languages, show what they say, and hold their query budget."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from recommender.collect.models import Event, User
from recommender.pages import views
from recommender.serve.answers import (
    Component,
    Contribution,
    Explanation,
    HomePage,
    HomeRow,
    ItemWhy,
    Reason,
    ShownItem,
)
from tests.factories import make_catalog, make_item, make_slate, make_version
from tests.pages.conftest import NOW, World

PAGES = (
    "/",
    "/?fragment=rows",
    "/search/",
    "/search/?q=film",
    "/browse/",
    "/browse/Drama/",
    "/more/popular/",
    "/welcome/",
    "/history/",
    "/hidden/",
    "/about/ranking/",
    "/preferences/privacy/",
    "/accounts/login/",
    "/accounts/signup/",
)


def items_on(page: bytes) -> list[str]:
    return re.findall(r'<li class="card"[^>]* data-item="([^"]+)"', page.decode())


@pytest.mark.parametrize(("language", "mark"), [("en", "en"), ("zh-hans", "zh-Hans")])
def test_every_page_answers_in_both_languages_without_inline_code(
    world: World, client: Client, language: str, mark: str
):
    client.cookies["language"] = language
    for path in PAGES:
        answer = client.get(path)
        page = answer.content.decode()
        assert answer.status_code == 200, path
        assert "fragment" in path or f'<html lang="{mark}"' in page, path
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|<script(?![^>]*\bsrc=)", page), path


def test_home_shows_no_item_twice(world: World, client: Client):
    shown = items_on(client.get("/").content)
    assert len(shown) > 10
    assert len(shown) == len(set(shown))


def test_home_asks_a_new_visitor_for_three_ratings(world: World, client: Client):
    page = client.get("/").content.decode()
    assert "(0/3)" in page
    assert "/welcome/" in page


def test_home_names_the_demo_and_the_terms_of_its_data(world: World, client: Client):
    page = client.get("/").content.decode()
    assert "demo data" in page
    assert "Ratings: GroupLens" in page


def test_a_card_shows_no_fake_precision_to_a_new_visitor(world: World, client: Client):
    page = client.get("/").content.decode()
    assert "Hard to say yet" in page
    assert "Predicted" not in page


def test_titles_are_escaped_everywhere(world: World, client: Client):
    item = make_item(world.catalog, title="<script>alert(1)</script>", external_id="evil")
    found = client.get("/search/?q=alert").content.decode()
    token = re.search(r'data-item="evil" data-token="([^"]+)"', found).group(1)
    for path in (
        "/",
        f"/item/{item.pk}/",
        f"/why/{token}/",
        "/search/?q=<script>alert(1)</script>",
    ):
        page = client.get(path).content.decode()
        assert "<script>alert" not in page, path
    assert "&lt;script&gt;alert" in client.get(f"/item/{item.pk}/").content.decode()


def test_opening_an_item_from_a_list_logs_one_click(world: World, client: Client):
    token = world.token(world.items[0])
    for _ in range(2):
        assert client.get(f"/item/{world.items[0].pk}-film/?t={token}").status_code == 200
    click = Event.objects.get(type="click")
    assert click.item == world.items[0]
    assert click.source == "web"


def test_loading_ahead_is_no_click(world: World, client: Client):
    token = world.token(world.items[0])
    address = f"/item/{world.items[0].pk}-film/?t={token}"
    client.get(address, headers={"Sec-Purpose": "prefetch;prerender"})
    assert not Event.objects.filter(type="click").exists()


def test_a_forged_token_still_shows_the_item_and_counts_nothing(world: World, client: Client):
    token = world.token(world.items[0])
    forged = token[:-1] + ("A" if token[-1] != "A" else "B")
    answer = client.get(f"/item/{world.items[0].pk}-film/?t={forged}")
    assert answer.status_code == 200
    assert not Event.objects.filter(type="click").exists()


def test_an_unknown_item_offers_the_nearest_titles(world: World, client: Client):
    answer = client.get(f"/item/999999-{world.items[3].title.replace(' ', '-').lower()}/")
    assert answer.status_code == 404
    assert world.items[3].title in answer.content.decode()


def test_a_hidden_item_is_gone(world: World, client: Client):
    item = make_item(world.catalog, is_hidden=True)
    assert client.get(f"/item/{item.pk}-film/").status_code == 404


def test_an_item_of_another_catalog_is_not_shown_here(world: World, client: Client):
    other = make_item(make_catalog(slug="news"))
    assert client.get(f"/item/{other.pk}-film/").status_code == 404
    assert client.get(f"/news/item/{other.pk}-film/").status_code == 200


def test_links_stay_within_a_catalog_that_the_address_names(world: World, client: Client):
    make_item(make_catalog(slug="news"))
    page = client.get("/news/").content.decode()
    assert 'action="/news/rate/"' in page
    assert 'action="/rate/"' not in page


def test_why_explains_a_shown_item(world: World, client: Client):
    card = client.get("/").content.decode()
    token = re.search(r'data-token="([^"]+)"', card).group(1)
    page = client.get(f"/why/{token}/").content.decode()
    assert "What the score is made of" in page


def test_why_refuses_forged_and_foreign_tokens(world: World, client: Client):
    foreign = world.token(world.items[0], world.people[0])
    for token in ("x" * 46, foreign):
        assert client.get(f"/why/{token}/").status_code == 404, token


def test_why_folds_the_small_parts_and_still_adds_up(world: World, client: Client, monkeypatch):
    parts = tuple(Contribution("rest", {}, None, weight / 10) for weight in range(1, 13))
    found = ItemWhy(
        *(world.items[0].pk, world.items[0].external_id, "Toy Story", 3, NOW, "v2", "v1", "neural"),
        is_replayed=False,
        score=8.0,
        reasons=(),
        explanation=Explanation(0.2, parts, (), (Component("transitions", 8.0),)),
    )
    monkeypatch.setattr(views.serve, "explain_token", lambda token, user: found)
    page = client.get("/why/token/").content.decode()
    assert "4 smaller parts" in page
    assert "<b>8.000</b>" in page  # .1 + … + 1.2 = 7.8, and .2
    assert "the present model explains it" in page
    assert "by what the model knows" in page
    assert "What people take after what you took" in page


def test_the_next_page_goes_on_where_the_first_ended(world: World, client: Client):
    first = client.get("/browse/Drama/").content.decode()
    for _ in range(6):
        make_item(world.catalog, categories=["Drama"])
    first = client.get("/more/new/").content.decode()
    onward = re.search(r'rel="next" href="([^"]+)"', first).group(1).replace("&amp;", "&")
    for _ in range(2):  # a reload of page 2 is the same page
        second = client.get(onward).content.decode()
        assert items_on(second.encode())
        assert not set(items_on(first.encode())) & set(items_on(second.encode()))
    assert 'rel="prev" href="/more/new/"' in second


def test_a_made_up_cursor_or_row_is_refused_politely(world: World, client: Client):
    assert client.get("/more/new/?cursor=nonsense").status_code == 400
    assert client.get("/more/nonsense/").status_code == 404


def test_search_without_a_match_says_so_and_shows_the_nearest(world: World, client: Client):
    page = client.get("/search/?q=qqqqqq").content
    assert b"Nothing matches exactly" in page or b"Nothing was found" in page


def test_search_survives_strange_queries(world: World, client: Client):
    for query in ("%00", "'", "%25", "a" * 500, "千与", "%ED%A0%80"):
        assert client.get(f"/search/?q={query}").status_code == 200, query


def test_without_a_catalog_the_site_says_how_to_get_one(db, client: Client):
    answer = client.get("/")
    assert answer.status_code == 503
    assert "make demo" in answer.content.decode()


def test_looking_makes_nobody_a_user(world: World, client: Client):
    before = User.objects.count()
    for path in PAGES:
        client.get(path)
    assert User.objects.count() == before


def test_pages_are_private_and_asked_for_again(world: World, client: Client):
    assert "private" in client.get("/")["Cache-Control"]
    assert "no-cache" in client.get("/")["Cache-Control"]


def test_home_stays_within_its_queries(world: World, client: Client, django_assert_max_num_queries):
    client.get("/")
    with django_assert_max_num_queries(12):
        client.get("/")


def test_the_number_of_queries_does_not_grow_with_the_list(world: World, client: Client):
    def count(query: str) -> int:
        client.get(f"/search/?q={query}")
        with CaptureQueriesContext(connection) as taken:
            found = items_on(client.get(f"/search/?q={query}").content)
        sizes.append(len(found))
        return len(taken)

    sizes: list[int] = []
    make_item(world.catalog, title="Zanzibar")
    assert count("Zanzibar") == count("film")
    assert sizes[0] < sizes[1]


def test_the_rows_say_which_model_made_them(world: World, client: Client, monkeypatch):
    item = world.items[0]
    version = make_version(world.catalog, number=12)
    slate = make_slate(world.catalog, [item], model_version=version)
    shown = ShownItem(
        item.pk,
        item.external_id,
        item.title,
        1,
        1,
        1,
        0.8,
        1.0,
        4.26,
        1.2,
        (Reason("popular"),),
        "t",
    )
    row = HomeRow("because", Reason("rated_item", {"title": "Toy Story", "stars": 5.0}), (shown,))
    page = HomePage(slate.id, "v12", "neural", True, (row,))
    monkeypatch.setattr(views.serve, "home", lambda request: page)
    text = client.get("/").content.decode()
    assert "Because you rated “Toy Story” 5 stars" in text
    assert "Deep · model v12" in text
    assert "Predicted 4.3 ±1.2" in text
