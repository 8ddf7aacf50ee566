"""Crash at every step of the loop and come back: one live version, complete and hash-valid."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from recommender.train import failpoints
from tests.jobs.site import ROOT, make_site

pytestmark = pytest.mark.chaos
SYSTEM_CALLS = ("fsync 1", "fsync 3", "fsync 6", "fsync 9", "rename 1", "rename 2")
PLACES = (*failpoints.NAMES, *SYSTEM_CALLS)
# Where the snapshot was written and its row not yet noted in the run, a second one is frozen.
FREEZES_AGAIN = ("freeze.done",)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """Run the sweep once, in memory where there is such a folder: it syncs some thousand times."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
    site = make_site(folder / "data")
    done = subprocess.run(
        [sys.executable, "tests/train/sweep.py"],
        cwd=ROOT,
        env=site.env,
        capture_output=True,
        text=True,
    )
    shutil.rmtree(folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_there_are_enough_places_and_none_twice():
    assert len(failpoints.NAMES) >= 25
    assert len(set(failpoints.NAMES)) == len(failpoints.NAMES)


def test_every_place_is_named_in_the_code_once_or_more():
    code = "".join(path.read_text() for path in (ROOT / "recommender").rglob("*.py"))
    assert [name for name in failpoints.NAMES if f'hit("{name}")' not in code] == []


def test_without_the_variable_a_place_does_nothing(monkeypatch):
    monkeypatch.delenv(failpoints.VARIABLE, raising=False)
    failpoints.hit("finish.done")  # it would end this process
    assert "finish.done" in failpoints.NAMES


@pytest.mark.parametrize("place", PLACES)
def test_after_a_crash_the_next_try_leaves_one_whole_live_version(found, place):
    after = found[place]
    assert after["code"] == failpoints.EXIT_CODE, "the place was not reached"
    assert after["live_after_crash"] == 1
    assert (after["again"], after["state"], after["error"]) == (0, "ready", "")
    assert (after["live"], after["fault"]) == (1, "")
    assert (after["versions"], after["decisions"]) == (1, 1)
    assert after["strays"] == []


def test_a_snapshot_is_frozen_once_per_run_except_where_its_note_was_lost(found):
    before, extra = found["snapshots"], []
    for place in PLACES:
        if found[place]["snapshots"] != before + 1:
            extra.append(place)
        before = found[place]["snapshots"]
    assert [place for place in extra if place in failpoints.NAMES] == list(FREEZES_AGAIN)
