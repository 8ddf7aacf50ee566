"""MovieLens as GroupLens publishes it: 100K, 1M, and the CSV files of the latest sets."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from recommender.catalog.formats.base import (
    EVENTS,
    ITEMS,
    USERS,
    EventRow,
    Record,
    Row,
    RowError,
    UserRow,
    cells_of,
    csv_records,
    locate,
    named_cells,
    number,
    seconds,
    split_records,
)
from recommender.catalog.formats.source import Source
from recommender.catalog.services import ItemInput

GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance"),
    *("Sci-Fi", "Thriller", "War", "Western"),
)
# The 1M set gives a band of ages by its lower end, and occupations by number.
OCCUPATIONS = (
    *("other", "academic/educator", "artist", "clerical/admin", "college/grad student"),
    *("customer service", "doctor/health care", "executive/managerial", "farmer", "homemaker"),
    *("K-12 student", "lawyer", "programmer", "retired", "sales/marketing", "scientist"),
    *("self-employed", "technician/engineer", "tradesman/craftsman", "unemployed", "writer"),
)
_YEAR = re.compile(r"\s*\((\d{4})\)\s*$")
_ARTICLE = re.compile(
    r"^(?P<rest>.*), (?P<article>The|A|An|La|Le|Les|L'|Il|El|Los|Las|Das|Der|Die|Un|Une|I|Gli|Lo)"
    r"(?P<tail> \(.*)?$",
    re.IGNORECASE,
)


def split_title(text: str) -> tuple[str, int | None]:
    """Take the year off a title and put its article to the front.

    >>> split_title("Usual Suspects, The (1995)")
    ('The Usual Suspects', 1995)
    """
    found = _YEAR.search(text)
    title = _YEAR.sub("", text) if found else text.strip()
    return article_first(title), int(found[1]) if found else None


def article_first(title: str) -> str:
    """Put a title's article to the front.

    >>> article_first("Postino, Il")
    'Il Postino'
    """
    return _ARTICLE.sub(
        lambda m: (
            m["article"]
            + ("" if m["article"].endswith("'") else " ")
            + m["rest"]
            + (m["tail"] or "")
        ),
        title.strip(),
    )


def film(
    external_id: str, text: str, genres: list[str], released: datetime | None = None
) -> ItemInput:
    """Describe a film by its MovieLens title and genres."""
    title, year = split_title(text)
    if released is None and year:
        released = datetime(year, 1, 1, tzinfo=UTC)
    return ItemInput(
        external_id=external_id,
        title=title or external_id,
        categories=genres,
        published_at=released,
        attributes={"year": year} if year else {},
    )


def rating(user: str, item: str, value: str, time: str) -> EventRow:
    """Describe one rating."""
    if not user:
        raise RowError("user", "is empty")
    return EventRow("rating", user, item, number("rating", value), seconds("timestamp", time))


class MovieLens100K:
    """u.data, u.item and u.user, without headers; u.item is Latin-1."""

    encoding: str | None = "latin-1"
    names = {ITEMS: "u.item", USERS: "u.user", EVENTS: "u.data"}  # noqa: RUF012
    shapes = {ITEMS: ("|", 24), USERS: ("|", 5), EVENTS: ("\t", 4)}  # noqa: RUF012

    def locate(self, kind: str, path: Path) -> Path:
        """Find the file of this kind."""
        return locate(self.names, kind, path, "MovieLens 100K")

    def records(self, kind: str, source: Source) -> Iterator[Record]:
        """Read the lines."""
        return split_records(source, *self.shapes[kind])

    def parse(self, kind: str, record: Record) -> Row:
        """Understand one line."""
        cells = cells_of(record, self.shapes[kind][1])
        if kind == EVENTS:
            return rating(*cells)
        if kind == USERS:
            user, age, gender, occupation, _zip = cells
            return UserRow(user, _person(number("age", age), gender, occupation))
        external_id, title, released, _video, _link, *flags = cells
        if any(flag not in {"0", "1"} for flag in flags):
            raise RowError("genres", "are not all 0 or 1")
        genres = [name for name, flag in zip(GENRES, flags, strict=True) if flag == "1"]
        return film(external_id, title, genres, _released(released))


class MovieLens1M:
    """ratings.dat, movies.dat and users.dat, cells apart by `::`; movies.dat is Latin-1."""

    encoding: str | None = "latin-1"
    names = {ITEMS: "movies.dat", USERS: "users.dat", EVENTS: "ratings.dat"}  # noqa: RUF012
    widths = {ITEMS: 3, USERS: 5, EVENTS: 4}  # noqa: RUF012

    def locate(self, kind: str, path: Path) -> Path:
        """Find the file of this kind."""
        return locate(self.names, kind, path, "MovieLens 1M")

    def records(self, kind: str, source: Source) -> Iterator[Record]:
        """Read the lines."""
        return split_records(source, "::", self.widths[kind])

    def parse(self, kind: str, record: Record) -> Row:
        """Understand one line."""
        cells = cells_of(record, self.widths[kind])
        if kind == EVENTS:
            return rating(*cells)
        if kind == ITEMS:
            return film(cells[0], cells[1], cells[2].split("|"))
        user, gender, age, occupation, _zip = cells
        code = int(number("occupation", occupation))
        if not 0 <= code < len(OCCUPATIONS):
            raise RowError("occupation", f"is {code}; expected 0 to {len(OCCUPATIONS) - 1}")
        return UserRow(user, _person(number("age", age), gender, OCCUPATIONS[code]))


class MovieLensLatest:
    """ratings.csv and movies.csv, with headers; these sets tell nothing about people."""

    encoding: str | None = None
    names = {ITEMS: "movies.csv", EVENTS: "ratings.csv"}  # noqa: RUF012
    headers = {  # noqa: RUF012
        ITEMS: ("movieId", "title", "genres"),
        EVENTS: ("userId", "movieId", "rating", "timestamp"),
    }

    def locate(self, kind: str, path: Path) -> Path:
        """Find the file of this kind."""
        return locate(self.names, kind, path, "MovieLens latest")

    def records(self, kind: str, source: Source) -> Iterator[Record]:
        """Read the records."""
        return csv_records(source, self.headers[kind], "of the latest MovieLens sets")

    def parse(self, kind: str, record: Record) -> Row:
        """Understand one record."""
        cells = named_cells(record)
        if kind == EVENTS:
            return rating(*(cells[name] for name in self.headers[EVENTS]))
        genres = [genre for genre in cells["genres"].split("|") if genre != "(no genres listed)"]
        return film(cells["movieId"], cells["title"], genres)


def _person(age: float, gender: str, occupation: str) -> dict[str, int | str]:
    if gender not in {"M", "F"}:
        raise RowError("gender", f"is {gender[:20]!r}; expected M or F")
    return {"age": int(age), "gender": gender, "occupation": occupation}


def _released(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%d-%b-%Y").replace(tzinfo=UTC)
    except ValueError:
        raise RowError("release date", f"is {text[:20]!r}; expected 01-Jan-1995") from None
