"""Everything under one command: what dies comes back, Ctrl-C stops all, nothing is left behind."""

import os
import signal
import socket
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from django.core.management.base import CommandError

from recommender.management.commands.up import _for_url, answers, require_free_port
from recommender.management.supervisor import Child, Supervisor
from tests.jobs.site import Site, kill, make_site, wait_until

SLEEP = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


class Script(Child):
    """A child that runs a line of Python."""

    def command(self) -> list[str]:
        return [sys.executable, "-c", self.arguments[0]]


@pytest.fixture
def told():
    return []


@pytest.fixture
def supervise(told):
    """Return a function that supervises scripts without touching this process's signals."""
    made = []

    def start(*scripts: str) -> Supervisor:
        children = [Script(f"child {n}", [script]) for n, script in enumerate(scripts)]
        supervisor = Supervisor(children, tell=told.append)
        for child in children:
            child.start()
        made.append(supervisor)
        return supervisor

    yield start
    for supervisor in made:
        supervisor.stop()


def test_a_child_that_dies_is_started_again_after_a_pause_that_doubles(supervise, told):
    supervisor = supervise("raise SystemExit(3)")
    child = supervisor.children[0]
    for _ in range(2):
        child.process.wait()
        supervisor.look()
        assert child.process is None
        child.start_after = 0
        supervisor.look()
    assert told == [
        "child 0 ended with code 3; starting it again in 0.5 s.",
        "child 0 ended with code 3; starting it again in 1 s.",
    ]


def test_a_child_that_ran_steadily_is_started_again_soon(supervise, told):
    supervisor = supervise("pass")
    child = supervisor.children[0]
    child.pause_s, child.started_at = 30.0, time.monotonic() - 31
    child.process.wait()
    supervisor.look()
    assert told == ["child 0 ended with code 0; starting it again in 0.5 s."]


def test_all_are_stopped_and_who_does_not_listen_is_killed(supervise, told, monkeypatch):
    monkeypatch.setattr("recommender.management.supervisor.STOP_WITHIN_S", 1.0)
    supervisor = supervise(SLEEP, STUBBORN)
    time.sleep(0.3)
    assert not supervisor.stop()
    assert told == ["child 1 did not stop within 1 s and was killed."]
    assert [child.is_running for child in supervisor.children] == [False, False]


def test_nothing_is_started_again_while_stopping(supervise, told):
    supervisor = supervise("pass")
    supervisor.is_stopping = True
    supervisor.children[0].process.wait()
    supervisor.look()
    assert told == []


def test_a_taken_port_is_told_before_anything_starts():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=rf"Port {port} on 127.0.0.1 cannot be used .*Stop"):
            require_free_port("127.0.0.1", port)
    require_free_port("127.0.0.1", port)


def test_a_server_that_is_not_there_does_not_answer():
    assert not answers("http://127.0.0.1:1/")


def test_an_address_that_means_everywhere_is_shown_as_one_to_visit():
    assert [_for_url(host) for host in ("0.0.0.0", "::", "127.0.0.1")] == [
        "127.0.0.1",
        "[::1]",
        "127.0.0.1",
    ]


def children_of(pid: int) -> dict[str, int]:
    """Return the manage.py commands under a process."""
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    commands = {}
    for child in pids:
        words = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
        commands[" ".join(words[2:]).strip()] = int(child)
    return commands


@pytest.mark.chaos
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_up_serves_restarts_a_killed_worker_and_stops_within_ten_seconds(tmp_path):
    site = make_site(tmp_path / "data")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    site.environment.update(BIND_PORT=str(port), WEB_WORKERS="1")
    up = site.start("manage.py", "up")
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/"), 60)
        before = children_of(up.pid)
        kill(before["worker --queue learning"])
        killed = before["worker --queue learning"]
        wait_until(lambda: children_of(up.pid).get("worker --queue learning", killed) != killed, 10)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/health/live") as reply:
            assert reply.status == 200
        pids = list(children_of(up.pid).values())
        assert len(pids) == 4
        asked = time.monotonic()
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=10) == 0
        assert time.monotonic() - asked < 10
        assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
        require_free_port("127.0.0.1", port)
    finally:
        site.stop()


@pytest.mark.chaos
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the Linux kernel")
def test_a_killed_supervisor_takes_its_children_with_it(tmp_path):
    script, note = tmp_path / "boss.py", tmp_path / "pid"
    script.write_text(
        "import django, pathlib, time; django.setup()\n"
        "from tests.test_up import Script, SLEEP\n"
        "child = Script('c', [SLEEP]); child.start()\n"
        f"pathlib.Path({str(note)!r}).write_text(str(child.process.pid)); time.sleep(60)\n"
    )
    site = Site(tmp_path)
    boss = site.start(str(script))
    wait_until(lambda: note.exists() and note.read_text(), 20)
    kill(boss.pid)
    boss.wait()
    pid = int(note.read_text())
    wait_until(lambda: not _is_alive(pid), 5)
    assert boss.returncode == -9


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
