"""Draw small lines as SVG on the server: tiles are painted before any script starts."""

import math
from collections.abc import Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString

WIDTH, HEIGHT, EDGE = 120, 28, 2


def sparkline(values: Sequence[float | None], *, is_open: bool = False) -> SafeString:
    """Draw values from left to right, zero at the foot, gaps left open; dash an unfinished end.

    Empty with fewer than two values. Decoration only: the tile says the numbers.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < 2:
        return SafeString("")
    top = max([*known, 0.0]) or 1.0
    step = (WIDTH - 2 * EDGE) / (len(values) - 1)
    dots = [
        None
        if value is None or not math.isfinite(value)
        else f"{EDGE + n * step:.1f},{HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * value / top:.1f}"
        for n, value in enumerate(values)
    ]
    closed = dots[:-1] if is_open else dots
    tail = dots[-2:] if is_open and None not in dots[-2:] else []
    return format_html(
        '<svg class="spark" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true" '
        'focusable="false"><path d="{}"/><path class="spark-open" d="{}"/></svg>',
        WIDTH,
        HEIGHT,
        _path(closed),
        _path(tail),
    )


def _path(dots: Sequence[str | None]) -> str:
    parts: list[str] = []
    is_down = False
    for dot in dots:
        if dot is None:
            is_down = False
            continue
        parts.append(f"{'L' if is_down else 'M'}{dot}")
        is_down = True
    return " ".join(parts)
