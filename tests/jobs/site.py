"""A site of its own for tests that kill real processes: a data folder with a SQLite file."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CLEARED = ("DATABASE_URL", "BROKER_URL", "RECLOOP_FAILPOINT", "TEST_SQLITE_PATH")


@dataclass
class Site:
    """A data folder and the processes that work on it."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in CLEARED}
        own = {
            "RECLOOP_DATA": str(self.folder),
            "DJANGO_SETTINGS_MODULE": "recsite.settings",
            "PYTHONPATH": str(ROOT),
            "NOTES": str(self.folder / "notes"),
            "ENCODER_TEXT": "hashing",
            "LOG_LEVEL": "ERROR",
            "OMP_NUM_THREADS": "1",
        }
        return kept | own | self.environment

    def manage(self, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.env, check=True
        )

    def run(self, code: str, **environment: str) -> object:
        """Run code with Django set up; what it assigns to `result` comes back."""
        whole = f"import django, json\ndjango.setup()\n{textwrap.dedent(code)}\n"
        whole += "import sys; sys.stdout.write('\\n' + json.dumps(result))"
        done = subprocess.run(
            [sys.executable, "-c", whole],
            cwd=ROOT,
            env=self.env | environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Look at or change the database from outside, much faster than `run`."""
        with closing(sqlite3.connect(self.folder / "recloop.sqlite3", timeout=20)) as connection:
            rows = connection.execute(statement, values).fetchall()
            connection.commit()
        return rows

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        """Start a script of ours; it ends with the test."""
        process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=self.env)
        self.processes.append(process)
        return process

    def notes(self, word: str) -> list[list[str]]:
        """Return the notes that tasks left: word, process id, time."""
        path = self.folder / "notes"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.split() for line in lines if line.startswith(word)]

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()


def wait_until(is_true: Callable[[], object], within_s: float) -> float:
    """Return how long it took; fail when it takes too long.

    The limits are those of an idle machine; a busy one gets three times as long.
    """
    started = time.monotonic()
    while time.monotonic() - started < 3 * within_s:
        if is_true():
            return time.monotonic() - started
        time.sleep(0.05)
    raise AssertionError(f"not within 3 × {within_s} s")


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def make_site(folder: Path, template: Path | None = None) -> Site:
    """Return a migrated site, copied from a template where there is one."""
    if template is not None:
        shutil.copytree(template, folder, dirs_exist_ok=True)
        return Site(folder)
    site = Site(folder)
    folder.mkdir(parents=True, exist_ok=True)
    site.manage("migrate", "--skip-checks", "-v0")
    return site
