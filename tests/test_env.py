from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from recsite import env

ROOT = Path(__file__).parents[1]


def test_a_flag_understands_yes_and_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "Yes")
    assert env.flag("X") is True
    monkeypatch.setenv("X", "0")
    assert env.flag("X", default=True) is False


def test_a_flag_that_is_neither_names_variable_value_and_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("X", "maybe")
    with pytest.raises(ImproperlyConfigured, match="X is 'maybe'; set it to 1 or 0"):
        env.flag("X")


@pytest.mark.parametrize("value", ["abc", "-1", "1.5"])
def test_a_number_refuses_what_is_none(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("X", value)
    with pytest.raises(ImproperlyConfigured, match="set it to a whole number ≥ 0"):
        env.number("X", 3)


def test_words_drop_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", " a, ,b ,")
    assert env.words("X") == ["a", "b"]


def test_a_database_address_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "postgres://me:p%40ss@db:5433/loop?sslmode=require")
    found = env.database("X", Path("unused"))
    assert (found["USER"], found["PASSWORD"], found["HOST"]) == ("me", "p@ss", "db")
    assert (found["PORT"], found["NAME"], found["OPTIONS"]) == (
        "5433",
        "loop",
        {"sslmode": "require"},
    )


def test_an_unknown_database_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "mysql://me@db/loop")
    with pytest.raises(ImproperlyConfigured, match="X starts with 'mysql'"):
        env.database("X", Path("unused"))


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key"
    first = env.secret("UNSET_SECRET", path)
    assert env.secret("UNSET_SECRET", path) == first
    assert len(first) >= 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["key"]


def test_a_short_secret_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("X", "secret")
    with pytest.raises(ImproperlyConfigured, match="X has 6 characters"):
        env.secret("X", tmp_path / "key")


def test_processes_that_start_at_once_agree_on_the_secret(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from recsite import env;"
        "print(env.secret('UNSET_SECRET', Path(sys.argv[1])))"
    )
    root = Path(__file__).resolve().parent.parent
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "key")],
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
        )
        for _ in range(6)
    ]
    assert len({process.communicate()[0] for process in started}) == 1


def test_no_process_lets_threads_spin_over_one_persons_list():
    code = (
        "import django; django.setup(); import numpy, threadpoolctl as t; "
        "print({pool['num_threads'] for pool in t.threadpool_info() "
        "if pool['internal_api'] == 'openblas'})"
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENBLAS", "OMP"))}
    env |= {"DJANGO_SETTINGS_MODULE": "recsite.settings_test"}
    said = subprocess.run(
        [sys.executable, "-c", code],
        env=env,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert said.stdout.strip() == "{1}"
