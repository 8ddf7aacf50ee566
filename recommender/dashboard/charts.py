"""Hold what all charts share; the only importer of Plotly. The page's script draws what this says.

Figures carry the light palette; the page's script swaps each color for its dark twin. All text goes
through `plain`, since Plotly reads labels as HTML.
"""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go
from django.utils.translation import get_language

LIGHT = ("#6B7078", "#0067A8", "#D37812", "#7B053F", "#07277D")  # the first is the reference
DARK = ("#8B929C", "#4FB0F2", "#E9A13B", "#B04CC0", "#E8F7B8")
TEXT, MUTED, GRID = "#1B1A18", "#5A564D", "#DAD6CC"
DARK_OF = {
    **dict(zip(LIGHT, DARK, strict=True)),
    TEXT: "#ECEDEF",
    MUTED: "#A7ADB7",
    GRID: "#363A41",
}
DASHES = ("solid", "dash", "dot", "dashdot")
SYMBOLS = ("circle", "square", "diamond", "x")
FONT = (
    'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "PingFang SC", '
    '"Hiragino Sans GB", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif'
)
CONFIG = {
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "displaylogo": False,
    "displayModeBar": False,
    "responsive": True,
}


@dataclass(frozen=True)
class Chart:
    """A figure with what a page shows around it: its finding, its reading, its numbers."""

    id: str
    title: str
    reading: str
    figure: Mapping[str, Any]
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    csv: str = ""
    height: str = "tall"
    payload: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """Join the figure with its dark colors, for the page's JSON block."""
        payload = {"figure": self.figure, "dark": DARK_OF, "label": f"{self.title}. {self.reading}"}
        object.__setattr__(self, "payload", payload)


def plain(text: Any) -> str:
    """Make any text safe as a Plotly label: its pseudo-HTML would turn `<a href=…>` into a link."""
    return html.escape(str(text), quote=True)


def figure_of(traces: Sequence[Any], layout: Mapping[str, Any]) -> dict[str, Any]:
    """Join traces and layout on the panel's own defaults, as plain JSON values."""
    axis = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": GRID, "automargin": True}
    base = go.Layout(
        template="none",
        font={"family": FONT, "size": 13, "color": TEXT},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 56, "r": 24, "t": 28, "b": 48},
        xaxis=axis,
        yaxis=axis,
        hovermode="closest",
        showlegend=False,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        dragmode=False,
    )
    base.update(layout)
    drawn = json.loads(go.Figure(data=list(traces), layout=base).to_json())
    locale = "zh-CN" if _is_chinese() else "en-US"
    return {**drawn, "config": CONFIG | {"locale": locale}}


def translucent(color: str, alpha: float = 0.2) -> str:
    """Return a palette color as rgba, for bands."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"


def scatter(**properties: Any) -> Any:
    """Make a checked line or point trace."""
    return go.Scatter(**properties)


def bars(**properties: Any) -> Any:
    """Make a checked bar trace."""
    return go.Bar(**properties)


def day_axis(title: str) -> dict[str, Any]:
    """Describe an axis of days; Plotly's own Chinese months read as `十一 8`."""
    ticks = "%-m月%-d日" if _is_chinese() else "%b %-d"
    return {"title": title, "type": "date", "nticks": 8, "tickformat": ticks}


def _is_chinese() -> bool:
    return (get_language() or "").startswith("zh")
