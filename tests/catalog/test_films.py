import sqlite3
from importlib.util import find_spec

import pytest

from recommender.catalog import films
from recommender.catalog.models import Catalog, ImportRun, Item
from recommender.catalog.services import ItemInput, create_catalog
from recommender.collect.models import Event, User, UserState
from recommender.errors import NotReady

needs_data = pytest.mark.skipif(
    find_spec("recbole") is None or find_spec("bokeh_sampledata") is None,
    reason="the demo's data packages are not installed",
)


@pytest.fixture
def movies(tmp_path):
    """A table of films with three rows."""
    path = tmp_path / "movies.db"
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE omdb (Title, Year, Director, Cast, Runtime, Country, Language, Released)"
        )
        database.executemany(
            "INSERT INTO omdb VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                ("Léon", 1994, "L. Besson", "A, Z", 110.0, "France, Japan", "French", "1994-09-14"),
                ("Leon", 1996, "Somebody", None, None, None, None, "never"),
                ("Other", 1999, None, "Z", None, None, "Martian", None),
            ],
        )
    database.close()
    return path


def test_the_nearest_year_within_two_wins(movies):
    facts = films.read_facts(movies)
    assert films.find_facts(facts, "Leon", 1994).directors == ("L. Besson",)
    assert films.find_facts(facts, "LEON", 1998).directors == ("Somebody",)
    assert films.find_facts(facts, "Leon", 1999) is None
    assert films.find_facts(facts, "Unknown (Léon)", 1993).year == 1994


def test_who_was_in_more_films_comes_first_in_a_cast(movies):
    assert films.read_facts(movies)["leon"][0].cast == ("Z", "A")


def test_facts_become_a_description_creators_and_attributes(movies):
    facts = films.read_facts(movies)
    item = films.with_facts(ItemInput("1", "Léon"), facts["leon"][0])
    assert item.description == (
        "Directed by L. Besson. With Z, A. Made in France, Japan. Spoken in French. "
        "Runs 110 minutes."
    )
    assert item.creators == ["L. Besson", "Z", "A"]
    assert (item.language, item.published_at.year, item.published_at.month) == ("fr", 1994, 9)
    assert item.attributes["country"] == "France"


def test_missing_facts_leave_nothing_behind(movies):
    facts = films.read_facts(movies)
    bare = films.with_facts(ItemInput("1", "Leon"), facts["leon"][1])
    assert (bare.description, bare.attributes) == (
        "Directed by Somebody.",
        {"directors": ["Somebody"]},
    )
    assert films.with_facts(ItemInput("1", "Other"), facts["other"][0]).language == ""


def test_a_missing_package_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(films, "find_spec", lambda name: None)
    assert films.missing_packages() == ["recbole", "bokeh-sampledata"]
    with pytest.raises(NotReady, match="package recbole is not installed"):
        films.load(Catalog(slug="films"))


@needs_data
@pytest.mark.django_db
def test_the_real_films_come_in_whole_and_only_once():
    catalog = create_catalog(slug="films", name="Films", scenario="films")
    told = []
    runs = films.load(catalog, lambda *args: told.append(args))
    assert [run.accepted for run in runs] == [1682, 943, 100_000]
    assert {run.state for run in runs} == {ImportRun.State.DONE}
    assert UserState.objects.count() == User.objects.count() == 943
    assert {label for _, _, label in told} == {"items", "users", "events", "states"}
    joined = Item.objects.exclude(creators=[])
    assert joined.count() >= 1373
    assert Event.objects.filter(item__in=joined).count() >= 92_500
    heat = Item.objects.get(title="Heat")
    assert heat.creators[:2] == ["Michael Mann", "Robert De Niro"]
    assert Item.objects.get(is_hidden=True).title == "Film 267"
    again = films.load(catalog)
    assert [run.pk for run in again] == [run.pk for run in runs]
    assert Event.objects.count() == 100_000
