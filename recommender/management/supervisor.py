"""Keep a few processes running: start them, restart what dies, stop them all in order."""

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

STOP_WITHIN_S = 8.0
LOOK_EVERY_S = 0.2
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
STEADY_S = 30.0  # a process that ran this long is restarted at once when it dies


PR_SET_PDEATHSIG = 1  # linux/prctl.h


def _die_with_parent() -> None:
    """Ask the kernel to stop this process if the supervisor is killed and cannot do it itself."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))


@dataclass
class Child:
    """One process of ours and when it may be started again."""

    name: str
    arguments: Sequence[str]  # of manage.py
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    start_after: float = 0.0

    def start(self) -> None:
        """Start the process in a session of its own, so that Ctrl-C reaches it through us only."""
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            self.command(), start_new_session=True, preexec_fn=_die_with_parent
        )
        self.started_at = time.monotonic()

    def command(self) -> list[str]:
        """Return what to run: manage.py under our own interpreter."""
        return [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), *self.arguments]

    @property
    def is_running(self) -> bool:
        """Say whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it lives."""
        if self.process is not None and self.is_running:
            self.process.send_signal(number)


@dataclass
class Supervisor:
    """Watch children until told to stop."""

    children: Sequence[Child]
    tell: Callable[[str], None]
    is_stopping: bool = field(default=False, init=False)

    def start(self) -> None:
        """Start all, and take over SIGINT and SIGTERM."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        for child in self.children:
            child.start()

    def wait_for(self, is_ready: Callable[[], bool], *, within_s: float) -> bool:
        """Watch the children until something is ready; False when it takes too long."""
        until = time.monotonic() + within_s
        while not self.is_stopping and time.monotonic() < until:
            if is_ready():
                return True
            self.look()
            time.sleep(LOOK_EVERY_S)
        return False

    def run(self) -> None:
        """Watch until SIGINT or SIGTERM arrives, then stop all."""
        while not self.is_stopping:
            self.look()
            time.sleep(LOOK_EVERY_S)
        self.stop()

    def look(self) -> None:
        """Start again what died, after a pause that doubles while it keeps dying."""
        now = time.monotonic()
        for child in self.children:
            if child.is_running or self.is_stopping:
                continue
            if child.process is not None:
                self._note_death(child, child.process.returncode, now)
            elif now >= child.start_after:
                child.start()

    def stop(self) -> bool:
        """Ask all to stop, wait, and kill what stays; True when nobody had to be killed."""
        for child in self.children:
            child.send(signal.SIGTERM)
        until = time.monotonic() + STOP_WITHIN_S
        while any(child.is_running for child in self.children) and time.monotonic() < until:
            time.sleep(0.05)
        late = [child for child in self.children if child.is_running]
        for child in late:
            child.send(signal.SIGKILL)
            self.tell(f"{child.name} did not stop within {STOP_WITHIN_S:g} s and was killed.")
        for child in self.children:
            if child.process is not None:
                child.process.wait()
        return not late

    def _note_death(self, child: Child, code: int | None, now: float) -> None:
        if now - child.started_at >= STEADY_S:
            child.pause_s = FIRST_PAUSE_S
        child.process, child.start_after = None, now + child.pause_s
        self.tell(f"{child.name} ended with code {code}; starting it again in {child.pause_s:g} s.")
        child.pause_s = min(child.pause_s * 2, LONGEST_PAUSE_S)

    def _stop(self, *_signal: object) -> None:
        self.is_stopping = True
