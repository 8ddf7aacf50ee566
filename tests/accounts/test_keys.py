import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError

from recommender import clock
from recommender.accounts import keys
from recommender.accounts.keys import authenticate, keys_of, make_key, revoke_key
from recommender.accounts.models import ApiKey
from recommender.errors import BadData
from tests.factories import make_catalog

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _fresh_table(monkeypatch):
    monkeypatch.setattr(keys, "_table", keys._Table())


@pytest.fixture
def clocked(monkeypatch):
    """Let a test turn the clock of the process itself."""
    turned = [1000.0]
    monkeypatch.setattr(keys.time, "monotonic", lambda: turned[0])
    return turned


def new(catalog=None, kind="sk", scopes=("recommend", "events")) -> tuple[ApiKey, str]:
    return make_key(
        catalog=catalog or make_catalog(), name="shop", kind=kind, scopes=scopes, created_by="ann"
    )


def test_a_key_is_random_shown_once_and_kept_as_a_digest():
    row, plaintext = new()
    assert re.fullmatch(r"sk_[A-Za-z0-9_-]{43}", plaintext)
    assert plaintext.startswith(row.prefix)
    stored = ApiKey.objects.values().get()
    assert plaintext not in str(stored)
    assert plaintext[len(row.prefix) :] not in str(stored)
    assert new()[1] != plaintext


def test_a_key_opens_its_own_catalog():
    row, plaintext = new()
    found = authenticate(plaintext)
    assert (found, found.catalog, found.scopes) == (row, row.catalog, ["recommend", "events"])


@pytest.mark.parametrize("wrong", ["", "sk_", "sk_" + "A" * 43, "\ud800", "é", "x" * 10_000])
def test_anything_else_opens_nothing(wrong):
    _row, plaintext = new()
    assert authenticate(wrong) is None
    assert authenticate(plaintext + " ") is None
    assert authenticate(plaintext[:-1]) is None


def test_checking_a_known_key_costs_no_query(django_assert_num_queries):
    _row, plaintext = new()
    authenticate(plaintext)
    with django_assert_num_queries(0):
        found = authenticate(plaintext)
        assert found.catalog.slug


def test_guessing_keys_costs_no_query_each(django_assert_max_num_queries, clocked):
    new()
    authenticate("x")
    with django_assert_max_num_queries(0):
        for number in range(50):
            authenticate(f"sk_{number}")


def test_a_key_made_elsewhere_works_within_a_second(clocked):
    authenticate("x")
    _row, plaintext = new()
    clocked[0] += 0.6
    assert authenticate(plaintext) is not None


def test_a_key_revoked_elsewhere_stops_within_five_seconds(clocked):
    row, plaintext = new()
    assert authenticate(plaintext)
    ApiKey.objects.filter(pk=row.pk).update(revoked_at=NOW)
    clocked[0] += 5.1
    assert authenticate(plaintext) is None


def test_a_key_revoked_here_stops_at_once(django_capture_on_commit_callbacks):
    row, plaintext = new()
    assert authenticate(plaintext)
    with django_capture_on_commit_callbacks(execute=True):
        first = revoke_key(key=row).revoked_at
    assert authenticate(plaintext) is None
    assert revoke_key(key=row).revoked_at == first


def test_a_key_ends_at_its_time():
    row, plaintext = new()
    ApiKey.objects.filter(pk=row.pk).update(expires_at=NOW)
    with clock.at(NOW - timedelta(seconds=1)):
        assert authenticate(plaintext)
    with clock.at(NOW):
        assert authenticate(plaintext) is None


def test_use_is_noted_at_most_once_a_minute(clocked):
    row, plaintext = new()
    for seconds, expected in ((0, 0), (30, 0), (61, 61)):
        clocked[0] = 1000.0 + seconds
        with clock.at(NOW + timedelta(seconds=seconds)):
            authenticate(plaintext)
        row.refresh_from_db()
        assert row.last_used_at == NOW + timedelta(seconds=expected)


def test_without_the_database_the_known_keys_go_on_working(monkeypatch, clocked, caplog):
    _row, plaintext = new()
    authenticate(plaintext)

    def broken(*args, **kwargs):
        raise DatabaseError("gone")

    monkeypatch.setattr(ApiKey.objects, "filter", broken)
    clocked[0] += 100
    assert authenticate(plaintext) is not None
    assert "keys_not_refreshed" in caplog.text
    assert authenticate("sk_other") is None


@pytest.mark.parametrize(
    ("kind", "scopes", "message"),
    [
        ("xx", ("read",), "'xx'; choose pk or sk"),
        ("sk", ("read", "fly"), "fly; a key of kind sk may have recommend, events, read"),
        ("sk", (), "may have recommend"),
        ("pk", ("recommend", "write"), "write; a key of kind pk may have recommend, events"),
    ],
)
def test_a_key_that_could_do_too_much_is_not_made(kind, scopes, message):
    with pytest.raises(BadData, match=message):
        new(kind=kind, scopes=scopes)
    assert not ApiKey.objects.exists()


def test_a_catalogs_keys_are_listed_newest_first():
    catalog = make_catalog()
    with clock.at(NOW):
        old, _ = new(catalog)
    with clock.at(NOW + timedelta(days=1)):
        latest, _ = new(catalog, kind="pk")
    new()
    assert keys_of(catalog) == [latest, old]
