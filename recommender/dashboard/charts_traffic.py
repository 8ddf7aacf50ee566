"""Draw what people saw and did, by day."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from recommender.dashboard import words
from recommender.dashboard.charts import (
    LIGHT,
    MUTED,
    Chart,
    bars,
    day_axis,
    figure_of,
    plain,
    scatter,
    translucent,
)
from recommender.dashboard.queries_data import TypeCount
from recommender.dashboard.queries_models import Switch
from recommender.dashboard.queries_traffic import Rate

MOST_MARKS = 12  # labels of model switches on one chart; more would overlap
MOST_TYPES = 4


def ctr_by_day(
    rates: Sequence[Rate], switches: Sequence[Switch], today: date, csv: str = ""
) -> Chart:
    """Draw CTR by day with its band, the unfinished day dashed, model switches as dotted lines."""
    known = [(rate.day, rate) for rate in rates if rate.day is not None]
    series = _with_gaps(known)
    done = [(day, rate) for day, rate in series if day < today]
    traces = [_band(known, LIGHT[1]), _ctr_line(done, "solid"), _ctr_open(known, today)]
    figure = figure_of(
        [trace for trace in traces if trace],
        {
            "yaxis": {
                "title": _("Clicks per item seen"),
                "tickformat": ".1~%",
                "rangemode": "tozero",
            },
            "xaxis": day_axis(_("Day the list was shown (UTC)")),
            **_marks(switches),
        },
    )
    rows = [
        [
            day.isoformat(),
            words.number(rate.viewed),
            words.number(rate.clicked),
            words.percent(rate.interval.value, 2),
            words.between(100 * rate.interval.low, 100 * rate.interval.high, 2),
        ]
        for day, rate in known
    ]
    columns = [_("Day"), _("Seen"), _("Clicks"), _("CTR"), _("Interval (95 %), in percent")]
    reading = _(
        "The line is the share of seen items that were clicked; the band is its interval (95 %), "
        "widened because one person's clicks resemble each other. Dotted lines mark when another "
        "model went live. Today is dashed: it is not over."
    )
    return Chart("ctr", _ctr_title(known), reading, figure, columns, rows, csv)


def _ctr_title(known: Sequence[tuple[date, Rate]]) -> str:
    viewed = sum(rate.viewed for _day, rate in known)
    clicked = sum(rate.clicked for _day, rate in known)
    if not viewed:
        return _("Click rate by day")
    return _("Click rate by day: %(rate)s of %(seen)s items seen") % {
        "rate": words.percent(clicked / viewed),
        "seen": words.number(viewed),
    }


def _with_gaps(known: Sequence[tuple[date, Rate]]) -> list[tuple[date, Rate | None]]:
    by_day = dict(known)
    if not by_day:
        return []
    first, last = min(by_day), max(by_day)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [(day, by_day.get(day)) for day in days]


def _ctr_line(series: Sequence[tuple[date, Rate | None]], dash: str) -> Any:
    return scatter(
        name=_("CTR"),
        x=[day.isoformat() for day, _rate in series],
        y=[rate.interval.value if rate else None for _day, rate in series],
        customdata=[_seen_text(rate) if rate else "" for _day, rate in series],
        hovertemplate="%{x|%x}: %{y:.2%}<br>%{customdata}<extra></extra>",
        mode="lines+markers",
        connectgaps=False,
        line={"color": LIGHT[1], "width": 2, "dash": dash, "shape": "linear"},
        marker={"color": LIGHT[1], "size": 6},
    )


def _seen_text(rate: Rate) -> str:
    return plain(
        _("%(clicks)s of %(seen)s")
        % {"clicks": words.number(rate.clicked), "seen": words.number(rate.viewed)}
    )


def _ctr_open(known: Sequence[tuple[date, Rate]], today: date) -> Any | None:
    if not known or known[-1][0] < today:
        return None
    line = _ctr_line(known[-2:], "dash")
    line.marker.symbol = "circle-open"
    return line


def _band(known: Sequence[tuple[date, Rate]], color: str) -> Any:
    """Draw one polygon per unbroken stretch of days: `tonexty` would bridge the gaps."""
    xs: list[str | None] = []
    ys: list[float | None] = []
    for stretch in _stretches(known):
        at = [datetime.combine(day, datetime.min.time()) for day, _rate in stretch]
        lows = [rate.interval.low for _day, rate in stretch]
        highs = [rate.interval.high for _day, rate in stretch]
        if len(at) == 1:  # a lone day gets a bar wide enough to be seen
            at = [at[0] - timedelta(hours=6), at[0] + timedelta(hours=6)]
            lows, highs = lows * 2, highs * 2
        corners = [moment.isoformat() for moment in at]
        xs += [*corners, *reversed(corners), corners[0], None]
        ys += [*highs, *reversed(lows), highs[0], None]
    return scatter(
        x=xs,
        y=ys,
        mode="lines",
        fill="toself",
        fillcolor=translucent(color),
        line={"width": 0, "color": color},
        hoverinfo="skip",
    )


def _stretches(known: Sequence[tuple[date, Rate]]) -> list[list[tuple[date, Rate]]]:
    stretches: list[list[tuple[date, Rate]]] = []
    for day, rate in known:
        if stretches and day - stretches[-1][-1][0] == timedelta(days=1):
            stretches[-1].append((day, rate))
        else:
            stretches.append([(day, rate)])
    return stretches


def _marks(switches: Sequence[Switch]) -> dict[str, Any]:
    by_day: dict[date, list[str]] = {}
    for switch in switches:
        by_day.setdefault(switch.at.date(), []).append(switch.label)
    shown = list(by_day.items())[-MOST_MARKS:]
    shapes = [
        {
            "type": "line",
            "x0": day.isoformat(),
            "x1": day.isoformat(),
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "line": {"color": MUTED, "width": 1, "dash": "dot"},
        }
        for day, _labels in shown
    ]
    notes = [
        {
            "x": day.isoformat(),
            "yref": "paper",
            "y": 1,
            "yanchor": "bottom",
            "text": plain(labels[-1] if len(labels) == 1 else f"{labels[0]}…{labels[-1]}"),
            "showarrow": False,
            "font": {"size": 12, "color": MUTED},
        }
        for day, labels in shown
    ]
    return {"shapes": shapes, "annotations": notes}


def volume_by_type(counts: Sequence[TypeCount], today: date) -> Chart | None:
    """Draw events a day, stacked by type; the rarest types share the grey."""
    if not counts:
        return None
    totals: dict[str, int] = {}
    for row in counts:
        totals[row.type] = totals.get(row.type, 0) + row.count
    common = sorted(totals, key=lambda name: -totals[name])[:MOST_TYPES]
    days = sorted({row.day for row in counts})
    table: dict[str, dict[date, int]] = {}
    for row in counts:
        name = row.type if row.type in common else ""
        by_day = table.setdefault(name, {})
        by_day[row.day] = by_day.get(row.day, 0) + row.count
    names = [*common, *([""] if "" in table else [])]
    traces = [
        bars(
            name=plain(_type_name(name)),
            x=[day.isoformat() for day in days],
            y=[table[name].get(day, 0) for day in days],
            marker={"color": LIGHT[n + 1] if name else LIGHT[0]},
            hovertemplate="%{x|%x}: %{y}<extra>" + plain(_type_name(name)) + "</extra>",
        )
        for n, name in enumerate(names)
    ]
    figure = figure_of(
        traces,
        {
            "barmode": "stack",
            "showlegend": True,
            "xaxis": day_axis(_("Day (UTC)")),
            "yaxis": {"title": _("Events a day"), "rangemode": "tozero"},
        },
    )
    rows = [
        [day.isoformat(), *(words.number(table[name].get(day, 0)) for name in names)]
        for day in days
    ]
    reading = _("Imported events stand on the day they happened.")
    if days[-1] >= today:
        reading += " " + _("The last day is not over.")
    title = _("Events by type: %(n)s in all") % {"n": words.number(sum(totals.values()))}
    columns = [_("Day"), *(_type_name(name) for name in names)]
    return Chart("volume", title, reading, figure, columns, rows, height="short")


def _type_name(name: str) -> str:
    return words.word(words.EVENT_TYPES, name) if name else _("others")
