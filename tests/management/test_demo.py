from __future__ import annotations

import stat
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from recommender.accounts.models import Account, ApiKey
from recommender.errors import Refused
from recommender.management import demo
from tests.factories import make_catalog, make_run

pytestmark = pytest.mark.django_db


def test_a_start_waits_for_the_lease_of_a_killed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    run, tries = make_run(make_catalog()), []

    def run_now(run_id: int) -> object:
        tries.append(run_id)
        if len(tries) < 3:
            raise Refused("at work elsewhere")
        return run

    monkeypatch.setattr(demo, "run_now", run_now)
    monkeypatch.setattr(demo.time, "sleep", lambda _: None)
    assert demo._run_here(run.pk) is run
    assert tries == [run.pk] * 3


def test_a_run_that_never_comes_free_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(run_id: int) -> object:
        raise Refused("at work elsewhere")

    monkeypatch.setattr(demo, "run_now", refuse)
    monkeypatch.setattr(demo, "LEASE_WAIT_S", -1)
    with pytest.raises(Refused, match="at work elsewhere"):
        demo._run_here(1)


def test_accounts_are_made_once_and_only_their_owner_reads_the_file(
    settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    catalog = make_catalog()
    first = demo.ensure_accounts(catalog)
    assert demo.ensure_accounts(catalog) == first
    assert (Account.objects.count(), ApiKey.objects.count()) == (3, 1)
    assert stat.S_IMODE(demo.credentials_path().stat().st_mode) == 0o600
    operator = Account.objects.get(username="operator")
    assert operator.is_superuser
    assert operator.check_password(first.operator_password)


def test_a_lost_file_makes_new_accounts_instead_of_a_second_set(
    settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    catalog = make_catalog()
    first = demo.ensure_accounts(catalog)
    demo.credentials_path().unlink()
    assert demo.ensure_accounts(catalog).api_key != first.api_key
    assert (Account.objects.count(), ApiKey.objects.count()) == (3, 1)
