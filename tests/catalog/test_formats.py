from datetime import UTC, datetime
from pathlib import Path

import pytest

from recommender.catalog.formats import FORMATS
from recommender.catalog.formats.base import EventRow, Record, RowError, UserRow, moment, seconds
from recommender.catalog.formats.movielens import article_first, split_title
from recommender.catalog.formats.source import CHUNK, scan
from recommender.catalog.services import ItemInput
from recommender.errors import BadData


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def read(name: str, kind: str, path: Path) -> list:
    """Read all rows of a file; refused records give their error."""
    reader = FORMATS[name]
    source = scan(reader.locate(kind, path), reader.encoding)
    rows = []
    for record in reader.records(kind, source):
        try:
            rows.append(reader.parse(kind, record))
        except RowError as error:
            rows.append(error)
    return rows


def item_line(title: str, released: str = "01-Jan-1995", flags: str = "0|1" + "|0" * 17) -> str:
    return f"1|{title}|{released}||http://x|{flags}\n"


def test_movielens_100k_films_are_latin_1_with_genre_flags(tmp_path):
    write(tmp_path / "u.item", item_line("Léon (1994)"), "latin-1")
    [film] = read("movielens-100k", "items", tmp_path)
    assert film == ItemInput(
        external_id="1",
        title="Léon",
        categories=["Action"],
        published_at=datetime(1995, 1, 1, tzinfo=UTC),
        attributes={"year": 1994},
    )


def test_movielens_100k_ratings_and_people(tmp_path):
    write(tmp_path / "u.data", "196\t242\t3\t881250949\n")
    write(tmp_path / "u.user", "1|24|M|technician|85711\n2|53|X|other|94043\n")
    assert read("movielens-100k", "events", tmp_path) == [
        EventRow("rating", "196", "242", 3.0, 881250949.0)
    ]
    person, error = read("movielens-100k", "users", tmp_path)
    assert person == UserRow("1", {"age": 24, "gender": "M", "occupation": "technician"})
    assert str(error) == "gender: is 'X'; expected M or F"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1\t2\t3\n", "line: does not have 4 columns"),
        ("1\t2\tmany\t5\n", "rating: is 'many'; expected a number"),
        ("1\t2\t3\tyesterday\n", "timestamp: is 'yesterday'; expected a time such as"),
        ("\t2\t3\t4\n", "user: is empty"),
    ],
)
def test_a_bad_line_names_its_field(tmp_path, line, problem):
    write(tmp_path / "u.data", line)
    [error] = read("movielens-100k", "events", tmp_path)
    assert str(error).startswith(problem)


def test_a_film_with_a_strange_flag_or_date_is_refused(tmp_path):
    lines = item_line("A (1990)", flags="2" + "|0" * 18) + item_line("B (1990)", "1990")
    write(tmp_path / "u.item", lines)
    flags, date = read("movielens-100k", "items", tmp_path)
    assert flags.field == "genres"
    assert str(date) == "release date: is '1990'; expected 01-Jan-1995"


def test_movielens_1m(tmp_path):
    write(tmp_path / "movies.dat", "11::Miséables, Les (1995)::Drama|Musical\n", "latin-1")
    write(tmp_path / "users.dat", "1::F::1::10::48067\n2::M::56::99::70072\n")
    write(tmp_path / "ratings.dat", "1::1193::5::978300760\n")
    [film] = read("movielens-1m", "items", tmp_path)
    assert (film.title, film.categories) == ("Les Miséables", ["Drama", "Musical"])
    person, error = read("movielens-1m", "users", tmp_path)
    assert person.attributes == {"age": 1, "gender": "F", "occupation": "K-12 student"}
    assert error.field == "occupation"
    assert read("movielens-1m", "events", tmp_path)[0].value == 5.0


def test_movielens_latest_is_csv_with_quotes(tmp_path):
    write(
        tmp_path / "movies.csv",
        'movieId,title,genres\n11,"American President, The (1995)",Comedy|Drama\n'
        "12,Odd (2001),(no genres listed)\n",
    )
    write(tmp_path / "ratings.csv", "userId,movieId,rating,timestamp\n1,11,4.5,964982703\n")
    first, second = read("movielens-latest", "items", tmp_path)
    assert (first.title, first.categories) == ("The American President", ["Comedy", "Drama"])
    assert second.categories == []
    assert read("movielens-latest", "events", tmp_path)[0].value == 4.5
    with pytest.raises(BadData, match="has no file of users; it has items, events"):
        FORMATS["movielens-latest"].locate("users", tmp_path)


def test_csv_items_have_lists_attributes_and_all_columns(tmp_path):
    write(
        tmp_path / "items.csv",
        "id,title,categories,price,sales,is_hidden,published_at,attributes.brand,attributes.size\n"
        "7,Lamp,Home|Light,9.5,3,yes,2026-01-02T00:00:00Z,Ikebana,42\n"
        "8,Chair,,,,,,,007\n",
    )
    lamp, chair = read("csv", "items", tmp_path)
    assert lamp == ItemInput(
        external_id="7",
        title="Lamp",
        categories=["Home", "Light"],
        price=9.5,
        sales=3,
        is_hidden=True,
        published_at=datetime(2026, 1, 2, tzinfo=UTC),
        attributes={"brand": "Ikebana", "size": 42},
    )
    # A code that only looks like a number stays as it is written.
    assert (chair.price, chair.attributes) == (None, {"size": "007"})


def test_csv_events_take_ids_times_and_the_alias_of_impression(tmp_path):
    write(
        tmp_path / "events.csv",
        "type,user,item,value,occurred_at,event_id\n"
        "view,u,1,,2026-01-01T00:00:00Z,00000000-0000-0000-0000-000000000001\n"
        "rating,u,1,x,0,\nrating,u,1,1,2026-01-01T00:00:00,\nrating,u,1,1,0,nonsense\n",
    )
    good, *errors = read("csv", "events", tmp_path)
    assert (good.type, good.time_s, good.event_id.int) == ("impression", 1767225600.0, 1)
    assert [error.field for error in errors] == ["value", "occurred_at", "event_id"]


def test_csv_cells_may_hold_newlines_and_ragged_rows_are_refused(tmp_path):
    write(tmp_path / "items.csv", 'id,title\n1,"two\nlines"\n2\n3,fine,extra\n\n4,fine\n')
    one, two, three, blank, four = read("csv", "items", tmp_path)
    assert (one.title, four.title) == ("two\nlines", "fine")
    assert [error.field for error in (two, three, blank)] == ["line"] * 3


def test_csv_refuses_a_column_that_it_would_have_to_drop(tmp_path):
    write(tmp_path / "items.csv", "id,title,brand\n1,a,b\n")
    with pytest.raises(BadData, match=r"column brand,.*Rename it to attributes\.brand"):
        read("csv", "items", tmp_path)


def test_csv_names_the_columns_that_are_missing(tmp_path):
    write(tmp_path / "users.csv", "name,age\nA,3\n")
    with pytest.raises(BadData, match="its columns are name, age; id is missing"):
        read("csv", "users", tmp_path)


def test_jsonl_rows_are_the_apis_bodies(tmp_path):
    write(
        tmp_path / "items.jsonl",
        '{"id": 318, "title": "A", "categories": ["x"], "price": 2, "image_url": null}\n',
    )
    [item] = read("jsonl", "items", tmp_path)
    assert item == ItemInput(external_id="318", title="A", categories=["x"], price=2)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("{", "line"),
        ("[1]", "line"),
        ('{"id": "1"}', "title"),
        ('{"id": true, "title": "x"}', "id"),
        ('{"id": "1", "title": 5}', "title"),
        ('{"id": "1", "title": "x", "tags": "a"}', "tags"),
        ('{"id": "1", "title": "x", "tags": [1]}', "tags"),
        ('{"id": "1", "title": "x", "price": "9"}', "price"),
        ('{"id": "1", "title": "x", "price": true}', "price"),
        ('{"id": "1", "title": "x", "is_hidden": 1}', "is_hidden"),
        ('{"id": "1", "title": "x", "published_at": "soon"}', "published_at"),
        ('{"id": "1", "title": "x", "attributes": []}', "attributes"),
        ('{"id": "1", "title": "x", "colour": "red"}', "colour"),
    ],
)
def test_jsonl_refuses_by_field(tmp_path, line, field):
    write(tmp_path / "items.jsonl", line + "\n")
    [error] = read("jsonl", "items", tmp_path)
    assert error.field == field


def test_jsonl_users_and_events(tmp_path):
    write(tmp_path / "users.jsonl", '{"id": "u", "attributes": {"age": 3}}\n{"id": ""}\n')
    good, error = read("jsonl", "users", tmp_path)
    assert (good, error.field) == (UserRow("u", {"age": 3}), "id")
    write(
        tmp_path / "events.jsonl",
        '{"type": "rating", "user": "u", "item": 1, "value": 4, "occurred_at": 5}\n'
        '{"type": "rating", "user": "u", "value": "4", "occurred_at": 5}\n',
    )
    event, error = read("jsonl", "events", tmp_path)
    assert (event.item, event.value, event.time_s, error.field) == ("1", 4, 5.0, "value")


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Usual Suspects, The (1995)", ("The Usual Suspects", 1995)),
        ("Horseman on the Roof, The (Hussard sur le toit, Le)", None),
        ("Avventura, L' (1960)", ("L'Avventura", 1960)),
        ("2001: A Space Odyssey (1968)", ("2001: A Space Odyssey", 1968)),
        ("Me, Myself (2000)", ("Me, Myself", 2000)),
        ("No year", ("No year", None)),
    ],
)
def test_titles_lose_their_year_and_start_with_their_article(title, expected):
    if expected is None:
        assert article_first(title) == "The Horseman on the Roof (Hussard sur le toit, Le)"
    else:
        assert split_title(title) == expected


@pytest.mark.parametrize(
    ("head", "name"), [(b"PK\x03\x04", "ZIP"), (b"\x1f\x8b\x08", "gzip"), (b"\xfd7zXZ\0", "xz")]
)
def test_archives_are_refused_unopened(tmp_path, head, name):
    path = tmp_path / "u.data"
    path.write_bytes(head + b"\0" * 100)
    with pytest.raises(BadData, match=f"is a {name} archive. Unpack it"):
        scan(path, None)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"a,b\n\0", "contains NUL bytes"),
        (b"x" * (CHUNK + 5), "more than one megabyte"),
        (b"caf\xe9\n", "is not UTF-8. Save it as UTF-8"),
        (b"cut \xc3", "is not UTF-8"),
    ],
)
def test_what_is_no_text_file_is_refused(tmp_path, data, message):
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(BadData, match=message):
        scan(path, None)


def test_a_scan_counts_lines_and_finds_the_encoding(tmp_path):
    plain = scan(write(tmp_path / "a", "é\nb"), "latin-1")
    assert (plain.lines, plain.encoding) == (2, "utf-8")
    assert scan(write(tmp_path / "b", "é\n", "latin-1"), "latin-1").encoding == "latin-1"
    marked = scan(write(tmp_path / "c", "\ufeffid\n"), None)
    with marked.open() as text:
        assert text.read() == "id\n"


def test_a_character_that_crosses_a_chunk_is_still_utf_8(tmp_path):
    text = "x\n" + "a" * (CHUNK - 3) + "é\n"
    assert scan(write(tmp_path / "a", text), None).encoding == "utf-8"


@pytest.mark.parametrize("text", ["1e300", "nan", "inf", "0001-01-01T00:00:00+23:00", ""])
def test_times_that_no_database_stores_are_refused(text):
    with pytest.raises(RowError):
        seconds("t", text)


def test_times_are_turned_to_utc():
    assert moment("t", "2026-01-01T08:00:00+08:00") == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_missing_file_is_named_with_where_it_was_expected(tmp_path):
    with pytest.raises(BadData, match=r"no file .*u\.data; MovieLens 100K keeps its events"):
        FORMATS["movielens-100k"].locate("events", tmp_path)


def test_a_refused_record_shows_itself():
    assert Record(1, {"a": "1", "b": "2"}).raw == "a=1|b=2"
    assert Record(1, ["a", "b"]).raw == "a|b"
    assert Record(1, "whole").raw == "whole"
