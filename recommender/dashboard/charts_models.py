"""Draw how good the versions are, and how a training went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from recommender.dashboard import words
from recommender.dashboard.charts import (
    DASHES,
    LIGHT,
    MUTED,
    SYMBOLS,
    Chart,
    figure_of,
    plain,
    scatter,
)
from recommender.dashboard.queries_models import Figure, VersionRow
from recommender.ml.chances import ChanceModel


@dataclass(frozen=True)
class Dot:
    """One version or baseline of a dot-and-interval chart."""

    label: str
    figure: Figure
    is_reference: bool = False
    is_live: bool = False


def metric_by_version(rows: Sequence[VersionRow], metric: str, most: int = 12) -> Chart | None:
    """Draw one metric by version, oldest first, beside random and popularity in grey."""
    judged = [row for row in reversed(rows) if row.figure(metric) is not None][-most:]
    if not judged:
        return None
    newest = judged[-1].measured
    baselines = newest.baselines if newest else {}
    dots = [
        Dot(words.word(words.MODELS, name), table[metric], is_reference=True)
        for name, table in baselines.items()
        if metric in table
    ]
    for row in judged:
        figure = row.figure(metric)
        if figure:
            label = f"{row.label} {words.word(words.MODELS, row.version.model)}"
            dots.append(Dot(label, figure, is_live=row.is_live))
    name = words.metric_name(metric)
    drawn = figure_of(
        [dot_trace(dots)],
        {
            "yaxis": {"title": plain(name), "rangemode": "tozero"},
            "xaxis": {"title": _("Version"), "type": "category"},
        },
    )
    table = [
        [
            dot.label,
            words.number(dot.figure.value, 4),
            words.between(dot.figure.low, dot.figure.high, 4),
        ]
        for dot in dots
    ]
    reading = _(
        "Dots are means over users of the later window, bars their intervals (95 %). The live "
        "version is filled; grey dots are the baselines."
    )
    columns = [_("Version"), name, _("Interval (95 %)")]
    slug = metric.replace("@", "-at-")
    return Chart(slug, _metric_title(dots, name), reading, drawn, columns, table, height="short")


def _metric_title(dots: Sequence[Dot], name: str) -> str:
    live = [dot for dot in dots if dot.is_live]
    dot = (live or [dot for dot in dots if not dot.is_reference])[-1]
    return _("%(metric)s by version: %(label)s reaches %(value)s") % {
        "metric": name,
        "label": dot.label,
        "value": words.number(dot.figure.value, 3),
    }


def dot_trace(dots: Sequence[Dot]) -> Any:
    """Draw dots with their intervals; the live one is filled, references are grey."""
    values = [dot.figure.value for dot in dots]
    highs = [d.figure.value if d.figure.high is None else d.figure.high for d in dots]
    lows = [d.figure.value if d.figure.low is None else d.figure.low for d in dots]
    colors = [LIGHT[0] if dot.is_reference else LIGHT[1] for dot in dots]
    return scatter(
        x=[plain(dot.label) for dot in dots],
        y=values,
        mode="markers",
        hovertemplate="%{x}: %{y:.4f}<extra></extra>",
        marker={
            "size": 11,
            "color": colors,
            "line": {"width": 2, "color": colors},
            "symbol": ["circle" if dot.is_live else "circle-open" for dot in dots],
        },
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [high - value for high, value in zip(highs, values, strict=True)],
            "arrayminus": [value - low for low, value in zip(lows, values, strict=True)],
            "color": MUTED,
            "thickness": 1.5,
            "width": 5,
        },
    )


def came_true(model: ChanceModel) -> Chart:
    """Draw what was said against what came true, of people whom the curve had not seen."""
    said = [bin[0] for bin in model.bins]
    true = [bin[1] for bin in model.bins]
    highest = max([*said, *true, 1e-6])
    ideal = scatter(
        name=_("said = came true"),
        x=[0, highest],
        y=[0, highest],
        mode="lines",
        hoverinfo="skip",
        line={"color": MUTED, "width": 1, "dash": "dot"},
    )
    dots = scatter(
        name=plain(model.kind),
        x=said,
        y=true,
        mode="markers",
        hovertemplate="%{x:.4f} → %{y:.4f}<extra></extra>",
        marker={"color": LIGHT[1], "size": 9},
    )
    figure = figure_of(
        [ideal, dots],
        {
            "xaxis": {"title": _("Probability said"), "rangemode": "tozero"},
            "yaxis": {"title": _("Share that came true"), "rangemode": "tozero"},
        },
    )
    reading = _(
        "Each dot is a tenth of the %(n)s listed items of people held out; on the dotted line, "
        "what was said came true. On average they differ by %(error)s (expected calibration "
        "error). Behind the curve stand %(taken)s items taken within %(days)s days of a visit."
    ) % {
        "n": words.number(model.n_listed, 0),
        "error": words.number(model.error, 4),
        "taken": words.number(model.n_taken, 0),
        "days": words.number(model.window_days, 1),
    }
    rows = [[words.number(a, 4), words.number(b, 4), words.number(n, 0)] for a, b, n in model.bins]
    columns = [_("Said"), _("Came true"), _("Items")]
    title = _("Chance of a purchase") if model.kind == "purchase" else _("Chance of a click")
    return Chart(f"chance-{model.kind}", title, reading, figure, columns, rows, height="short")


def by_k(curves: Sequence[tuple[str, Mapping[str, Any]]], metric: str) -> Chart | None:
    """Overlay one metric by list length for one or two versions."""
    drawn = [(label, _curve(found.get(metric))) for label, found in curves]
    drawn = [(label, curve) for label, curve in drawn if curve]
    if not drawn:
        return None
    traces = []
    for n, (label, curve) in enumerate(drawn):
        color = LIGHT[0] if n == 0 and len(drawn) > 1 else LIGHT[1]
        ends = [""] * (len(curve) - 1) + [plain(label)]
        traces.append(
            scatter(
                name=plain(label),
                x=list(range(1, len(curve) + 1)),
                y=curve,
                text=ends,
                textposition="top center",
                mode="lines+markers+text",
                hovertemplate="k = %{x}: %{y:.4f}<extra>" + plain(label) + "</extra>",
                line={"color": color, "width": 2, "dash": DASHES[n]},
                marker={"symbol": SYMBOLS[n], "size": 6, "color": color},
                cliponaxis=False,
            )
        )
    name = words.word(words.METRICS, metric)
    figure = figure_of(
        traces,
        {
            "xaxis": {"title": _("List length k")},
            "yaxis": {"title": f"{name}@k", "rangemode": "tozero"},
        },
    )
    longest = max(len(curve) for _label, curve in drawn)
    rows = [
        [str(k + 1), *(words.number(c[k], 4) if k < len(c) else "–" for _label, c in drawn)]
        for k in range(longest)
    ]
    reading = _("Full ranking over the whole catalog, items already seen left out.")
    title = _("%(metric)s by list length") % {"metric": name}
    columns = ["k", *(label for label, _curve_ in drawn)]
    return Chart(f"by-k-{metric}", title, reading, figure, columns, rows, height="short")


def _curve(found: Any) -> list[float]:
    if not isinstance(found, list):
        return []
    values = [point.get("value") if isinstance(point, Mapping) else point for point in found]
    return [float("nan") if value is None else float(value) for value in values]


def losses(history: Sequence[Mapping[str, Any]]) -> Chart:
    """Draw training and validation loss by epoch. The script grows it by each trace's `meta`."""
    traces = [
        _epoch_line(history, "loss", _("training loss"), 1),
        _epoch_line(history, "validation_loss", _("validation loss"), 2),
    ]
    figure = figure_of(
        traces,
        {
            "showlegend": True,
            "xaxis": {"title": _("Epoch"), "rangemode": "tozero", "dtick": None},
            "yaxis": {"title": _("Loss")},
        },
    )
    rows = [
        [
            str(row.get("epoch", "")),
            words.number(row.get("loss"), 4),
            words.number(row.get("validation_loss"), 4),
        ]
        for row in history
    ]
    title = _("Loss by epoch")
    reading = _("Validation loss that rises while training loss falls means overfitting.")
    columns = [_("Epoch"), _("Training loss"), _("Validation loss")]
    return Chart("losses", title, reading, figure, columns, rows, height="short")


def validation(history: Sequence[Mapping[str, Any]], best_epoch: int | None) -> Chart:
    """Draw validation NDCG@10 by epoch, the best epoch marked: that one is kept, not the last."""
    line = _epoch_line(history, "validation", "NDCG@10", 1)
    best = [row for row in history if row.get("epoch") == best_epoch and best_epoch is not None]
    mark = scatter(
        meta="best",
        name=_("best epoch"),
        x=[row["epoch"] for row in best],
        y=[row["validation"] for row in best],
        mode="markers",
        marker={"symbol": "star", "size": 16, "color": LIGHT[2]},
        hovertemplate="%{x}: %{y:.4f}<extra></extra>",
    )
    figure = figure_of(
        [line, mark],
        {
            "showlegend": True,
            "xaxis": {"title": _("Epoch"), "rangemode": "tozero"},
            "yaxis": {"title": "NDCG@10", "rangemode": "tozero"},
        },
    )
    rows = [[str(row.get("epoch", "")), words.number(row.get("validation"), 4)] for row in history]
    title = _("Validation NDCG@10 by epoch")
    reading = _("Measured on a part of the training window that the model does not train on.")
    columns = [_("Epoch"), "NDCG@10"]
    return Chart("validation", title, reading, figure, columns, rows, height="short")


def _epoch_line(history: Sequence[Mapping[str, Any]], key: str, name: str, n: int) -> Any:
    return scatter(
        meta=key,
        name=name,
        x=[row.get("epoch") for row in history],
        y=[row.get(key) for row in history],
        mode="lines+markers",
        line={"color": LIGHT[n], "width": 2, "dash": DASHES[n - 1], "shape": "linear"},
        marker={"color": LIGHT[n], "size": 6, "symbol": SYMBOLS[n - 1]},
        hovertemplate="%{x}: %{y:.4f}<extra></extra>",
    )
