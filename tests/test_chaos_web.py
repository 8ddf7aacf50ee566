"""Kill the real web server in the middle of ingest: what was acknowledged is there, once."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.jobs.site import Site, kill, make_site, wait_until

pytestmark = pytest.mark.chaos
ROUNDS = 8
CLIENTS = 4
SET_UP = """
from recommender.accounts.keys import make_key
from recommender.catalog.services import create_catalog, ItemInput, put_items
films = create_catalog(slug="films", name="Films", scenario="films", is_default=True)
put_items(catalog=films, items=[ItemInput(str(n), f"Film {n}") for n in range(1, 30)])
_, result = make_key(catalog=films, name="t", kind="sk", scopes=["events"], created_by="t")
"""


class Client(threading.Thread):
    """Send batches and send them again, under the same ids, until they are acknowledged."""

    def __init__(self, port: int, key: str, number: int) -> None:
        super().__init__(daemon=True)
        self.port, self.key, self.number = port, key, number
        self.acknowledged: list[str] = []
        self.should_stop = threading.Event()

    def run(self) -> None:
        while not self.should_stop.is_set():
            ids = [str(uuid.uuid4()) for _ in range(10)]
            events = [
                {"event_id": one, "type": "click", "user": f"u{self.number}", "item": "1"}
                for one in ids
            ]
            while not self.should_stop.is_set():
                if self.send(events):
                    self.acknowledged += ids
                    break
                time.sleep(0.05)

    def send(self, events: list[dict[str, str]]) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            body = json.dumps({"events": events})
            headers = {
                "Authorization": f"Bearer {self.key}",
                "Content-Type": "application/json",
            }
            connection.request("POST", "/api/v1/events", body, headers)
            with connection.getresponse() as answer:
                return answer.status == 202 and json.loads(answer.read())["rejected"] == 0
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()


def workers_of(master: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(master)], capture_output=True)
    return [int(word) for word in listed.stdout.split()]


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    with closing(connection), suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/api/v1/health/live")
        with connection.getresponse() as answer:
            return answer.status == 200
    return False


class Web:
    """The web server in a process group of its own, so that a dead master's workers end too."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.port = int(site.environment["BIND_PORT"])
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "web"],
            env=self.site.env,
            start_new_session=True,
            cwd=Path(__file__).resolve().parent.parent,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return wait_until(lambda: answers(self.port), 20)

    def kill_all(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def kill_a_worker(self) -> float:
        assert self.process is not None
        kill(workers_of(self.process.pid)[0])
        return wait_until(lambda: answers(self.port), 10)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = make_site(tmp_path / "data")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        made.environment = {"BIND_PORT": str(probe.getsockname()[1]), "WEB_WORKERS": "2"}
    return made


@pytest.fixture
def web(site: Site) -> Iterator[Web]:
    made = Web(site)
    yield made
    made.kill_all()


def test_killing_the_web_server_during_ingest_loses_and_doubles_nothing(
    site: Site, web: Web
) -> None:
    key = str(site.run(SET_UP))
    web.start()
    clients = [Client(web.port, key, number) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    recoveries = []
    for round_number in range(ROUNDS):
        before = count(clients)
        wait_until(lambda: count(clients) > before, 20)  # noqa: B023 - used in this round only
        if round_number % 2:
            recoveries.append(web.kill_a_worker())
        else:
            web.kill_all()
            recoveries.append(web.start())
    for client in clients:
        client.should_stop.set()
    for client in clients:
        client.join(timeout=30)
    check_everything_is_there_once(site, clients)
    n = count(clients)
    print(f"\n{ROUNDS} kills, {n} acknowledged, slowest back in {max(recoveries):.1f} s")


def count(clients: list[Client]) -> int:
    return sum(len(client.acknowledged) for client in clients)


def check_everything_is_there_once(site: Site, clients: list[Client]) -> None:
    acknowledged = [one for client in clients for one in client.acknowledged]
    stored = Counter(row[0] for row in site.sql("SELECT event_id FROM recommender_event"))
    lost = [one for one in acknowledged if uuid.UUID(one).hex not in stored]
    assert acknowledged
    assert lost == []
    assert max(stored.values()) == 1
    assert site.sql("PRAGMA integrity_check") == [("ok",)]
    # The row that serving reads agrees with the events.
    state = site.sql("SELECT SUM(event_seq) FROM recommender_userstate")
    assert state[0][0] == len(stored)
