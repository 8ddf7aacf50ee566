"""Real processes and a real file: nothing acknowledged is lost or doubled (R1, R2, R11)."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETUP = """
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from recommender.catalog.services import ItemInput, create_catalog, put_items
catalog = create_catalog(slug="chaos", name="Chaos", scenario="films")
put_items(catalog=catalog, items=[ItemInput(str(n), f"Film {n}") for n in range(3)])
"""
pytestmark = pytest.mark.chaos


def run(folder: Path, *arguments: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    own = {"RECLOOP_DATA": str(folder), "DJANGO_SETTINGS_MODULE": "recsite.settings"}
    done = subprocess.run(
        [sys.executable, *arguments],
        env=kept | own | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Make one migrated database with the product's own settings; tests take copies of it."""
    folder = tmp_path_factory.mktemp("made")
    run(folder, "-c", SETUP)
    return folder / "recloop.sqlite3"


@pytest.fixture
def folder(made, tmp_path) -> Path:
    source, target = sqlite3.connect(made), sqlite3.connect(tmp_path / made.name)
    source.backup(target)
    source.close()
    target.close()
    return tmp_path


def chaos(folder: Path, *arguments: str) -> dict[str, Any]:
    found = json.loads(run(folder, str(Path(__file__).with_name("chaos.py")), *arguments))
    database = sqlite3.connect(folder / "recloop.sqlite3")
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()
    return found


def test_kill_9_loses_nothing_that_was_acknowledged_and_doubles_nothing(folder):
    found = chaos(folder, "kill", "8")
    acknowledged, stored = found["acknowledged"], found["stored"]
    assert len(acknowledged) >= 8 * 3 * 20
    assert len(stored) == len(set(stored))
    assert set(acknowledged) <= set(stored)
    assert len(stored) % 20 == 0  # a batch is stored whole or not at all
    assert found["kept"] == found["rebuilt"]


def test_six_writers_never_meet_a_locked_database_and_share_each_event_once(folder):
    found = chaos(folder, "storm", "6", "20")
    assert found["codes"] == [0] * 6
    assert found["accepted"] == 20 * 20 == len(set(found["stored"])) == len(found["stored"])
    assert found["accepted"] + found["duplicates"] == 6 * 20 * 20
    assert found["kept"] == found["rebuilt"]


def test_processes_that_spend_one_budget_at_once_never_spend_more(folder):
    found = chaos(folder, "spend", "4", "50")
    assert (found["passed"], found["codes"]) == (50, [0] * 4)
