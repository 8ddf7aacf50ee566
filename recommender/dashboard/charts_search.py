"""Draw a search: its trials in order, each setting against the value, and the third window."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from recommender.dashboard import words
from recommender.dashboard.charts import LIGHT, Chart, figure_of, plain, scatter
from recommender.dashboard.charts_models import Dot, dot_trace
from recommender.dashboard.queries_models import Figure
from recommender.dashboard.queries_search import SearchCard, last_of
from recommender.ml.search_space import Choice, Knob, Range
from recommender.train.models import Trial

KNOB_TRIALS = 3  # finished, before a picture of one setting says anything


def trials(card: SearchCard, csv: str) -> Chart:
    """Draw the value of each trial and the best so far. The script grows it by each `meta`."""
    history = card.history
    figure = figure_of(
        [
            _line(history),
            _marks(history, "validation", _("finished"), ("circle", LIGHT[1])),
            _marks(history, "pruned", _("stopped early"), ("x-thin-open", LIGHT[0])),
            _star(history, card),
        ],
        {
            "showlegend": True,
            "xaxis": {"title": _("Trial"), "rangemode": "tozero"},
            "yaxis": {"title": _("NDCG@10 on validation"), "rangemode": "tozero"},
        },
    )
    rows = [
        [
            str(row["epoch"]),
            words.number(row["best_so_far"], 4),
            words.number(row["validation"], 4),
            words.number(row["pruned"], 4),
        ]
        for row in history
    ]
    columns = [_("Trial"), _("Best so far"), "NDCG@10", _("Stopped early at")]
    reading = _(
        "Trial 1 is the defaults. Judged on %(n)s people of the validation window, which flatters: "
        "the best of many trials is also the luckiest."
    ) % {"n": words.number(card.search.n_judged)}
    return Chart("trials", _title(card), reading, figure, columns, rows, csv=csv)


def _title(card: SearchCard) -> str:
    if card.best is None:
        return _("Value by trial")
    best = {"number": card.best.number, "value": words.number(card.best.value, 3)}
    if card.first is None or card.best.number == 1:
        return _("Trial %(number)s is the best so far: NDCG@10 %(value)s") % best
    return _("Trial %(number)s is the best so far: NDCG@10 %(value)s, defaults %(default)s") % {
        **best,
        "default": words.number(card.first.value, 3),
    }


def _line(history: Sequence[dict[str, Any]]) -> Any:
    return scatter(
        meta="best_so_far",
        name=_("best so far"),
        x=[row["epoch"] for row in history],
        y=[row["best_so_far"] for row in history],
        mode="lines",
        line={"color": LIGHT[2], "width": 2, "shape": "hv"},
        hoverinfo="skip",
    )


def _marks(history: Sequence[dict[str, Any]], key: str, name: str, look: tuple[str, str]) -> Any:
    symbol, color = look
    return scatter(
        meta=key,
        name=name,
        x=[row["epoch"] for row in history],
        y=[row[key] for row in history],
        mode="markers",
        marker={"symbol": symbol, "size": 9, "color": color, "line": {"width": 2, "color": color}},
        hovertemplate=_("trial %{x}: %{y:.4f}") + "<extra></extra>",
    )


def _star(history: Sequence[dict[str, Any]], card: SearchCard) -> Any:
    best = [row for row in history if card.best and row["epoch"] == card.best.number]
    return scatter(
        meta="best",
        name=_("best"),
        x=[row["epoch"] for row in best],
        y=[row["validation"] for row in best],
        mode="markers",
        marker={"symbol": "star", "size": 16, "color": LIGHT[2]},
        hovertemplate=_("trial %{x}: %{y:.4f}") + "<extra></extra>",
    )


def knobs(card: SearchCard) -> list[Chart]:
    """Draw each setting against the value, once a few trials have finished."""
    if len([trial for trial in card.trials if trial.value is not None]) < KNOB_TRIALS:
        return []
    return [_knob(card, name, knob) for name, knob in card.space.items()]


def _knob(card: SearchCard, name: str, knob: Knob) -> Chart:
    tried = [trial for trial in card.trials if name in trial.settings]
    traces = [
        _points(tried, name, "finished", ("circle", LIGHT[1])),
        _points(tried, name, "pruned", ("x-thin-open", LIGHT[0])),
    ]
    title = str(name)
    if card.best is not None:
        traces.append(_points([card.best], name, "finished", ("star", LIGHT[2])))
        title = _("%(name)s: best at %(value)s") % {
            "name": name,
            "value": card.best.settings.get(name),
        }
    figure = figure_of(
        traces,
        {
            "xaxis": {"title": plain(name), **_axis(knob)},
            "yaxis": {"title": _("NDCG@10 on validation"), "rangemode": "tozero"},
        },
    )
    ordered = sorted(tried, key=lambda trial: (trial.settings[name], trial.number))
    rows = [
        [str(t.settings[name]), words.number(_height(t), 4), str(t.number)]
        for t in ordered
        if _height(t) is not None
    ]
    columns = [plain(name), "NDCG@10", _("Trial")]
    reading = _("The other settings differ too from dot to dot; crosses were stopped early.")
    return Chart(f"knob-{name}", title, reading, figure, columns, rows, height="short")


def _points(tried: Sequence[Trial], name: str, outcome: str, look: tuple[str, str]) -> Any:
    symbol, color = look
    mine = [trial for trial in tried if trial.outcome == outcome]
    return scatter(
        x=[trial.settings[name] for trial in mine],
        y=[_height(trial) for trial in mine],
        text=[_("trial %(n)s") % {"n": trial.number} for trial in mine],
        mode="markers",
        marker={
            "symbol": symbol,
            "size": 16 if symbol == "star" else 9,
            "color": color,
            "line": {"width": 2, "color": color},
        },
        hovertemplate="%{text}: %{x} → %{y:.4f}<extra></extra>",
    )


def _axis(knob: Knob) -> dict[str, Any]:
    """Describe the axis of a setting: its own scale, and few ticks that can be read."""
    if isinstance(knob, Choice):
        values = list(knob.values)
        return {"type": "log", "tickvals": values, "ticktext": [str(value) for value in values]}
    if isinstance(knob, Range) and knob.is_log:
        return {"type": "log", "dtick": "D2" if knob.high / knob.low < 500 else 1}
    return {"type": "linear"}


def _height(trial: Trial) -> float | None:
    return trial.value if trial.value is not None else last_of(trial)


def third_window(report: dict[str, Any] | None) -> Chart | None:
    """Draw the found settings beside the defaults, each with its interval."""
    if report is None or not report["n_users"]:
        return None
    shown = [(_("defaults"), report["defaults"])]
    if report["found"] is not None:
        shown.append((_("found"), report["found"]))
    dots = [
        Dot(
            label, Figure(found["value"], found["low"], found["high"]), is_live=label != shown[0][0]
        )
        for label, found in shown
    ]
    figure = figure_of(
        [dot_trace(dots)],
        {
            "xaxis": {"title": _("Settings"), "type": "category"},
            "yaxis": {"title": "NDCG@10", "rangemode": "tozero"},
        },
    )
    rows = [
        [label, words.number(found["value"], 4), words.between(found["low"], found["high"], 4)]
        for label, found in shown
    ]
    columns = [_("Settings"), "NDCG@10", _("Interval (95 %)")]
    reading = _(
        "Both were trained anew on the whole training window. The intervals may overlap although "
        "the difference is proven: it is measured person by person."
    )
    title = _("On the third window")
    return Chart("third", title, reading, figure, columns, rows, height="short")
