"""What a card says: stars, posters, predictions."""

from __future__ import annotations

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from recommender.catalog.models import Item
from recommender.pages.cards import Card, Scale, genre_label, stars_label
from recommender.pages.queries import Crowd

FILMS = Scale(0.5, 5.0, 0.5)


def card(**fields: object) -> Card:
    return Card(Item(title="Toy Story", external_id="1", **fields), FILMS, Crowd(None, 0))


@pytest.mark.parametrize(
    ("own", "states"),
    [
        (None, "eeeee"),
        (0.5, "heeee"),
        (3.0, "fffee"),
        (3.5, "fffhe"),
        (5.0, "fffff"),
    ],
)
def test_stars_fill_as_the_rating_says(own: float | None, states: str):
    drawn = [FILMS.star(number, own).state[0] for number in range(1, 6)]
    assert "".join(drawn) == states


def test_only_a_whole_rating_checks_its_star():
    assert [FILMS.star(n, 4.0).is_checked for n in (3, 4, 5)] == [False, True, False]
    assert not any(FILMS.star(n, 3.5).is_checked for n in range(1, 6))


def test_the_steps_are_the_whole_scale():
    assert [step.value for step in FILMS.steps(None)] == [n / 2 for n in range(1, 11)]
    assert [step.value for step in Scale(1, 5, 1).steps(None)] == [1, 2, 3, 4, 5]


def test_a_second_press_takes_half_off_only_where_the_scale_has_halves():
    assert FILMS.has_halves
    assert not Scale(1, 5, 1).has_halves


def test_stars_of_another_scale_are_fifths_of_it():
    assert [Scale(1, 10, 1).star(n, None).value for n in range(1, 6)] == [2, 4, 6, 8, 10]


@given(st.text(max_size=60), st.lists(st.text(max_size=20), max_size=3), st.text(max_size=20))
def test_every_item_gets_a_poster_and_an_address(title: str, categories: list[str], key: str):
    drawn = Card(Item(title=title, categories=categories, external_id=key), FILMS, Crowd(None, 0))
    assert 0 <= drawn.color <= 8
    assert 0 <= drawn.pattern < 8
    assert len(drawn.initials) <= 6
    assert drawn.slug
    assert "/" not in drawn.slug


@pytest.mark.parametrize(
    ("title", "initials"),
    [
        ("The Usual Suspects", "US"),
        ("Copycat", "C"),
        ("千与千寻", "千与"),
        ("12 Angry Men", "AM"),
        ("...", ""),
    ],
)
def test_initials_stand_for_the_title(title: str, initials: str):
    assert Card(Item(title=title, external_id="1"), FILMS, Crowd(None, 0)).initials == initials


def test_a_poster_never_changes():
    assert (card().color, card().pattern) == (card().color, card().pattern)
    assert card(categories=["Horror"]).color == 1


def test_stars_are_counted_in_words():
    assert (stars_label(1.0), stars_label(3.5), stars_label(5.0)) == (
        "1 star",
        "3.5 stars",
        "5 stars",
    )


def test_a_category_we_do_not_know_keeps_its_name():
    with translation.override("zh-hans"):
        assert genre_label("Samba") == "Samba"
