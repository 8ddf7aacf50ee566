"""Ask for lists without pause while something else happens, and keep every answer."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from tests.browser.conftest import Client

PAUSE_S = 0.05  # about 10 a second: the demo's key may spend 600 a minute


@dataclass(frozen=True)
class Asked:
    sent_at: float
    at: float  # when the answer was there
    status: int
    version: str
    strategy: str
    slate: str


@dataclass
class Hammer:
    api: Client
    path: str = "/api/v1/recommendations?user=1&limit=10"
    answers: list[Asked] = field(default_factory=list)

    def __enter__(self) -> Hammer:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stop.wait(PAUSE_S):
            sent_at = time.monotonic()
            try:
                answer = self.api("GET", self.path)
                body: dict[str, Any] = answer.json if answer.status == 200 else {}
                status = answer.status
            except OSError:  # refused, cut or late: as failed as a 500
                body, status = {}, 0
            given = [str(body.get(name)) for name in ("model_version", "strategy", "slate_id")]
            self.answers.append(Asked(sent_at, time.monotonic(), status, *given))

    def wait_for(self, version: str, limit_s: float = 15) -> None:
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if self.answers and self.answers[-1].version == version:
                return
            time.sleep(0.02)
        raise AssertionError(f"no list by {version} in {limit_s} s: {self.answers[-3:]}")

    def seconds_until(self, version: str, since: float) -> float:
        """Return how long after `since` the first answer by this version was there."""
        return next(a.at for a in self.answers if a.at >= since and a.version == version) - since
