"""Draw quality against training CPU seconds as a plain SVG, no library needed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 920, 520
LEFT, RIGHT, TOP, BOTTOM = 64, 250, 44, 52
COLORS = {"ours": "#0b6e4f", "peer": "#b5451b", "reference": "#6b7280"}
NAMES = {"ours": "RecLoop", "peer": "peers", "reference": "references"}
LINE = 13  # px that two labels must lie apart


def draw(points: Sequence[Mapping[str, Any]], title: str) -> str:
    """Return an SVG: NDCG@10 with its interval over CPU seconds (logarithmic), one dot a model.

    Args:
        points: each with label, side, x > 0 (seconds), y, low and high.
    Raises: ValueError without points.
    """
    if not points:
        raise ValueError("there is nothing to draw")
    low = math.floor(math.log10(min(point["x"] for point in points)))
    high = math.ceil(math.log10(max(point["x"] for point in points)) + 1e-9)
    top = max(point["high"] for point in points) * 1.08 or 1.0
    high = max(high, low + 1)

    def across(x: float) -> float:
        return LEFT + (math.log10(x) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def up(y: float) -> float:
        return HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    parts = [_frame(title), *_grid((low, high), top, across, up)]
    placed = _spread([up(point["y"]) for point in points])
    for point, label_y in zip(points, placed, strict=True):
        parts.append(_dot(point, (across(point["x"]), up(point["y"]), label_y), up))
    return "\n".join([*parts, _legend(), "</svg>"]) + "\n"


def _frame(title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12" role="img" aria-label="{escape(title)}">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n'
        f'<text x="{LEFT}" y="24" font-size="16" fill="#111827">{escape(title)}</text>'
    )


def _grid(decades: tuple[int, int], top: float, across: Any, up: Any) -> list[str]:
    parts = []
    for power in range(decades[0], decades[1] + 1):
        x = across(10.0**power)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#e5e7eb"/>'
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle" fill="#374151">'
            f"{10.0**power:g}</text>"
        )
    step = 0.05 if top > 0.15 else 0.02
    for place in range(int(top / step) + 1):
        y = up(place * step)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e7eb"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#374151">'
            f"{place * step:.2f}</text>"
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle:.0f}" y="{HEIGHT - 14}" text-anchor="middle" fill="#374151">'
        "training, CPU seconds (one thread)</text>"
        f'<text x="16" y="{TOP - 6}" fill="#374151">NDCG@10, 95 % interval</text>'
    )
    return parts


def _dot(point: Mapping[str, Any], at: tuple[float, float, float], up: Any) -> str:
    x, y, label_y = at
    color = COLORS[point["side"]]
    right = WIDTH - RIGHT + 14
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{up(point["low"]):.1f}" y2="{up(point["high"]):.1f}" '
        f'stroke="{color}" opacity="0.5"/>'
        f'<polyline points="{x:.1f},{y:.1f} {right - 8},{label_y:.1f} {right - 3},{label_y:.1f}" '
        f'fill="none" stroke="{color}" opacity="0.25"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>'
        f'<text x="{right}" y="{label_y + 4:.1f}" font-size="11" fill="{color}">'
        f"{escape(point['label'])}</text>"
    )


def _spread(wanted: Sequence[float]) -> list[float]:
    """Move labels apart, in order, as little as a single pass from the bottom allows."""
    order = sorted(range(len(wanted)), key=lambda place: -wanted[place])
    placed = [0.0] * len(wanted)
    below = HEIGHT - BOTTOM + LINE
    for place in order:
        below = min(wanted[place], below - LINE)
        placed[place] = below
    return placed


def _legend() -> str:
    parts = []
    for number, (side, color) in enumerate(COLORS.items()):
        x = WIDTH - RIGHT - 260 + number * 90
        parts.append(
            f'<circle cx="{x}" cy="30" r="4" fill="{color}"/>'
            f'<text x="{x + 8}" y="34" fill="{color}">{NAMES[side]}</text>'
        )
    return "".join(parts)
