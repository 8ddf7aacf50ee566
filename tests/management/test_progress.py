from __future__ import annotations

import io

from recommender.management.progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_a_line_is_written_at_every_fifth() -> None:
    out = io.StringIO()
    bar = Bar("Loading", out)
    for done in range(101):
        bar(done, 100)
    assert out.getvalue().count("\n") == 5
    assert "20/100" in out.getvalue()


def test_a_new_part_starts_its_own_count() -> None:
    out = io.StringIO()
    bar = Bar("Loading", out)
    bar(90, 100, "items")
    bar(1, 100, "events")
    assert out.getvalue().splitlines()[0].strip().startswith("Loading: items")
    assert "Loading: events" in out.getvalue()


def test_on_a_terminal_the_line_is_drawn_over_and_closed_with_a_tick() -> None:
    out = Terminal()
    bar = Bar("Loading", out)
    bar(5, 10)
    bar.finish("10")
    assert out.getvalue().startswith("\r  Loading")
    assert out.getvalue().endswith("\n")
    assert "✓ Loading" in out.getvalue()


def test_a_bar_tells_what_how_much_and_how_long() -> None:
    bar = Bar("Loading", io.StringIO())
    bar.started -= 10
    text = bar.line(25, 100)
    assert "25/100" in text
    assert "10 s, about 30 s left" in text
