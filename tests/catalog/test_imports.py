import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recommender.catalog import imports
from recommender.catalog.imports import import_file
from recommender.catalog.models import ImportRun, Item
from recommender.collect import sinks
from recommender.collect.models import Event, User, UserState
from recommender.collect.state import decode_history
from recommender.errors import BadData, Refused
from tests.factories import make_catalog, make_item, make_user

pytestmark = pytest.mark.django_db

RATINGS = "type,user,item,value,occurred_at\n" + "".join(
    f"rating,u{n % 3},i{n % 4},{1 + n % 5},{1_000_000 + n}\n" for n in range(20)
)


@pytest.fixture
def catalog():
    catalog = make_catalog(rating_min=1.0, rating_step=1.0)
    for number in range(4):
        make_item(catalog, external_id=f"i{number}")
    return catalog


@pytest.fixture(autouse=True)
def _own_folder(settings, tmp_path):
    settings.IMPORTS_DIR = tmp_path / "imports"


@pytest.fixture
def ratings(tmp_path) -> Path:
    path = tmp_path / "events.csv"
    path.write_text(RATINGS)
    return path


def events(catalog, path, **options):
    return import_file(catalog=catalog, kind="events", format="csv", path=path, **options)


def rejects(run: ImportRun) -> list[dict[str, str]]:
    with Path(run.rejects_path).open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_events_come_in_with_their_people_and_states(catalog, ratings):
    run = events(catalog, ratings)
    assert (run.state, run.accepted, run.duplicates, run.rejected) == ("done", 20, 0, 0)
    assert (run.lines_total, run.lines_done, run.rejects_path) == (21, 20, "")
    assert User.objects.count() == UserState.objects.count() == 3
    event = Event.objects.get(user__external_id="u0", item__external_id="i0", value=1)
    assert (event.source, event.attribution) == ("import", "organic")
    assert event.occurred_at == datetime.fromtimestamp(1_000_000, UTC)
    state = UserState.objects.get(user=event.user)
    assert state.event_seq == Event.objects.filter(user=event.user).count()
    assert decode_history(state.history)


def test_a_second_import_of_the_same_file_is_the_finished_one(catalog, ratings):
    first = events(catalog, ratings)
    second = events(catalog, ratings)
    assert (second.pk, second.accepted) == (first.pk, 20)
    assert Event.objects.count() == 20


def test_another_file_with_the_same_rows_adds_nothing(catalog, ratings):
    events(catalog, ratings)
    ratings.write_text(RATINGS + "rating,u9,i1,5,7\n")
    run = events(catalog, ratings)
    assert (run.accepted, run.duplicates) == (1, 20)
    assert Event.objects.count() == 21


def test_the_same_rows_in_another_catalog_are_its_own(catalog, ratings):
    events(catalog, ratings)
    other = make_catalog(rating_min=1.0)
    for number in range(4):
        make_item(other, external_id=f"i{number}")
    assert events(other, ratings).accepted == 20


def test_the_catalogs_time_shift_is_added(catalog, ratings):
    catalog.time_shift_s = 500
    events(catalog, ratings)
    assert Event.objects.earliest("occurred_at").occurred_at.timestamp() == 1_000_500


def test_refused_rows_are_listed_with_line_field_and_reason(catalog, ratings):
    bad = (
        "rating,u1,i77,4,5\nrating,u1,i1,9,5\nnap,u1,i1,1,5\nrating,,i1,4,5\nrating,u1,i1,4,=1+1\n"
    )
    ratings.write_text(RATINGS + bad)
    run = events(catalog, ratings)
    assert (run.accepted, run.rejected, run.state) == (20, 5, "done")
    found = rejects(run)
    assert [(row["line"], row["field"]) for row in found] == [
        ("22", "item"),
        ("23", "value"),
        ("24", "type"),
        ("25", "user"),
        ("26", "occurred_at"),
    ]
    assert found[0]["reason"] == "'i77' is not in this catalog"
    assert "user=u1" in found[0]["raw"]


def test_a_spreadsheet_is_not_made_to_run_a_refused_cell(catalog, tmp_path):
    path = tmp_path / "items.jsonl"
    path.write_text('{"id": "1", "title": "x"}\n=cmd()\n')
    run = import_file(catalog=catalog, kind="items", format="jsonl", path=path)
    assert rejects(run)[0]["raw"] == "'=cmd()"


def test_items_are_checked_one_by_one(catalog, tmp_path):
    path = tmp_path / "items.jsonl"
    path.write_text('{"id": "1", "title": "x"}\n{"id": "2", "title": "y", "price": -1}\n')
    run = import_file(catalog=catalog, kind="items", format="jsonl", path=tmp_path)
    assert (run.accepted, run.rejected) == (1, 1)
    assert rejects(run)[0]["field"] == "price"
    assert Item.objects.filter(catalog=catalog, external_id="1").exists()


def test_users_replace_their_attributes(catalog, tmp_path):
    make_user(catalog, external_id="u", attributes={"age": 1})
    path = tmp_path / "users.csv"
    path.write_text("id,attributes.age\nu,2\n" + "x" * 201 + ",3\n")
    run = import_file(catalog=catalog, kind="users", format="csv", path=path)
    assert (run.accepted, run.rejected) == (1, 1)
    assert User.objects.get(external_id="u").attributes == {"age": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "type, user, occurred_at is missing"),
        ("type,user,item,value,occurred_at\n", "has no rows below its header"),
        ("type,user,occurred_at\nx,y,soon\n", "is not a file of events in the format csv: line 2"),
        ("<html>", "is missing"),
    ],
)
def test_a_file_that_is_not_what_it_claims_is_one_clear_error(catalog, ratings, text, message):
    ratings.write_text(text)
    with pytest.raises(BadData, match=message):
        events(catalog, ratings)
    assert not ImportRun.objects.exists()


@pytest.mark.parametrize(
    ("kind", "format", "message"),
    [("events", "xlsx", "choose one of movielens-100k"), ("people", "csv", "choose one of items")],
)
def test_unknown_kinds_and_formats_are_refused(catalog, ratings, kind, format, message):
    with pytest.raises(BadData, match=message):
        import_file(catalog=catalog, kind=kind, format=format, path=ratings)


def test_progress_tells_how_many_of_how_many_and_what(catalog, ratings, monkeypatch):
    monkeypatch.setattr(sinks.EventSink, "batch", 8)
    told = []
    events(catalog, ratings, progress=lambda *args: told.append(args))
    assert told == [
        *((9, 21, "events"), (17, 21, "events"), (21, 21, "events")),
        (3, 3, "states"),
    ]


def die_at(monkeypatch, module, name: str, call: int) -> None:
    """Let the process die in the n-th call of a function, as `kill -9` would have it."""
    real, calls = getattr(module, name), []

    def dying(*args, **kwargs):
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, dying)


@pytest.mark.parametrize("call", [1, 2, 3])
@pytest.mark.parametrize("step", ["_keep_rejects", "_note", "_parse", "_finish"])
def test_a_killed_import_goes_on_and_ends_as_if_nothing_had_happened(
    catalog, ratings, monkeypatch, step, call
):
    monkeypatch.setattr(sinks.EventSink, "batch", 7)
    lines = RATINGS.splitlines(keepends=True)
    lines[4:4] = ["rating,u1,i77,4,5\n"]
    lines[15:15] = ["rating,u1,i78,4,5\n"]
    ratings.write_text("".join(lines))
    with monkeypatch.context() as patch:
        die_at(patch, imports, step, call)
        if step == "_finish" and call > 1:
            events(catalog, ratings)
        else:
            with pytest.raises(KeyboardInterrupt):
                events(catalog, ratings)
    run = events(catalog, ratings)
    assert (run.state, run.accepted, run.duplicates, run.rejected) == ("done", 20, 0, 2)
    assert Event.objects.count() == 20
    assert [row["line"] for row in rejects(run)] == ["5", "16"]


def test_rejects_whose_commit_never_came_are_cut_off(catalog, ratings, monkeypatch):
    ratings.write_text(RATINGS + "rating,u1,i77,4,5\n")
    with monkeypatch.context() as patch:
        die_at(patch, imports, "_note", 1)
        with pytest.raises(KeyboardInterrupt):
            events(catalog, ratings)
    run = events(catalog, ratings)
    assert len(rejects(run)) == run.rejected == 1


def test_two_imports_of_one_file_at_once_are_one(catalog, ratings, monkeypatch):
    real = imports._note

    def overtaken(run, *args):
        ImportRun.objects.filter(pk=run.pk).update(lines_done=run.lines_done + 1)
        real(run, *args)

    monkeypatch.setattr(imports, "_note", overtaken)
    with pytest.raises(Refused, match=r"Another process is importing events\.csv"):
        events(catalog, ratings)
    assert Event.objects.count() == 0


def test_an_import_in_which_nothing_was_good_may_be_tried_again(catalog, ratings):
    Item.objects.all().delete()
    first = events(catalog, ratings)
    assert (first.state, first.rejected) == ("failed", 20)
    assert first.error == f"All 20 rows were refused; see {first.rejects_path}."
    for number in range(4):
        make_item(catalog, external_id=f"i{number}")
    again = events(catalog, ratings)
    assert (again.pk, again.state, again.accepted, again.rejected) == (first.pk, "done", 20, 0)


def test_an_error_is_kept_on_the_run(catalog, ratings, monkeypatch):
    def broken(self, progress):
        raise RuntimeError("no room on the disk")

    with monkeypatch.context() as patch:
        patch.setattr(sinks.EventSink, "finish", broken)
        with pytest.raises(RuntimeError, match="no room"):
            events(catalog, ratings)
    assert ImportRun.objects.get().error == "no room on the disk"
    assert events(catalog, ratings).state == "done"


def test_an_event_with_an_id_of_its_own_keeps_it(catalog, tmp_path):
    path = tmp_path / "events.jsonl"
    name = "00000000-0000-4000-8000-000000000001"
    path.write_text(
        f'{{"event_id": "{name}", "type": "click", "user": "u", "item": "i1", "occurred_at": 5}}\n'
    )
    import_file(catalog=catalog, kind="events", format="jsonl", path=path)
    assert str(Event.objects.get().event_id) == name
