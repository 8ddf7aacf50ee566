"""Progress of long steps on a terminal: what, how much, how long; else plain lines."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

WIDTH = 24


class Bar:
    """One line that fills up; call it with (done, total)."""

    def __init__(self, label: str, out: TextIO | None = None) -> None:
        """Start at nothing done."""
        self.label = label
        self.out = out or sys.stderr
        self.started = time.monotonic()
        self.drawn = 0.0
        self.share_told = -1.0
        self.last = (0, 0)
        self.part = ""

    def __call__(self, done: int, total: int, part: str = "") -> None:
        """Redraw at most ten times a second; without a terminal, a line at every fifth."""
        if part and part != self.part:
            self.part, self.share_told = part, -1.0
        self.last = (done, total)
        now = time.monotonic()
        share = done / total if total else 0.0
        if self.out.isatty():
            if now - self.drawn >= 0.1 or done >= total:
                self.drawn = now
                self.out.write("\r" + self.line(done, total) + "\033[K")
                self.out.flush()
        elif share - self.share_told >= 0.2 and done < total:
            self.share_told = share
            self.out.write(self.line(done, total) + "\n")
            self.out.flush()

    def line(self, done: int, total: int) -> str:
        """Return the bar's text."""
        spent = time.monotonic() - self.started
        share = min(1.0, done / total) if total else 0.0
        full = round(share * WIDTH)
        left = f", about {spent / share - spent:.0f} s left" if 0.02 < share < 1 else ""
        count = f"{done:,}/{total:,}" if total else "…"
        label = f"{self.label}: {self.part}" if self.part else self.label
        return f"  {label:<34} {'█' * full}{'·' * (WIDTH - full)} {count}, {spent:.0f} s{left}"

    def finish(self, note: str = "") -> None:
        """Write the last line with what came out."""
        spent = time.monotonic() - self.started
        start = "\r" if self.out.isatty() else ""
        end = "\033[K" if self.out.isatty() else ""
        self.out.write(f"{start}  ✓ {self.label:<32} {note} ({spent:.1f} s){end}\n")
        self.out.flush()


@contextmanager
def step(label: str) -> Iterator[Bar]:
    """Show a bar while the block runs and close it with a tick when it ends well."""
    bar = Bar(label)
    bar(0, 0)
    yield bar
    done, total = bar.last
    bar.finish(f"{done:,}" if total else "")
