"""Figures: safe labels, honest gaps, plain numbers."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from django.template import Context, Template
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from recommender.dashboard import charts, charts_models, charts_traffic
from recommender.dashboard.queries_data import TypeCount
from recommender.dashboard.queries_models import Switch
from recommender.dashboard.queries_traffic import Rate
from tests.dashboard.world import NOW

DAY = date(2026, 3, 1)
EVIL = '<a href="javascript:alert(1)">v1</a>'


def rate(day: int, viewed: int = 100, clicked: int = 10) -> Rate:
    return Rate(DAY + timedelta(days=day), None, viewed, clicked, 10, clicked, clicked, viewed * 10)


def switch(label: str, day: int = 0) -> Switch:
    at = NOW.replace(month=3, day=1) + timedelta(days=day)
    return Switch(at, label, 1, None, "promote", "gate")


def test_labels_cannot_smuggle_links_into_plotly():
    chart = charts_traffic.ctr_by_day([rate(0)], [switch(EVIL)], DAY)
    text = chart.figure["layout"]["annotations"][0]["text"]
    assert "<" not in text
    assert text.startswith("&lt;a href=")


def test_curve_labels_are_escaped_everywhere():
    chart = charts_models.by_k([(EVIL, {"ndcg": [0.1, 0.2]})], "ndcg")
    assert chart is not None
    assert "<a" not in json.dumps(chart.figure)


def test_event_types_are_escaped_in_plotly_and_in_the_page():
    chart = charts_traffic.volume_by_type([TypeCount(DAY, EVIL, 3)], DAY)
    assert chart is not None
    assert "<a" not in json.dumps(chart.figure)
    page = Template("{% load ops %}{% chart drawn %}").render(Context({"drawn": chart}))
    assert "<a href=" not in page
    assert "javascript:alert" in page  # as text, in the table


def test_the_json_block_cannot_be_left():
    chart = charts_models.by_k([("</script><b>", {"ndcg": [0.1]})], "ndcg")
    page = Template("{% load ops %}{% chart drawn %}").render(Context({"drawn": chart}))
    assert page.count("</script>") == 1


@given(st.text())
def test_plain_text_never_opens_a_tag(text: str):
    safe = charts.plain(text)
    assert "<" not in safe
    assert ">" not in safe


def test_the_unfinished_day_is_dashed():
    chart = charts_traffic.ctr_by_day([rate(0), rate(1), rate(2)], [], DAY + timedelta(days=2))
    _band, done, today = chart.figure["data"]
    assert done["x"] == ["2026-03-01", "2026-03-02"]
    assert done["line"]["dash"] == "solid"
    assert today["x"] == ["2026-03-02", "2026-03-03"]
    assert today["line"]["dash"] == "dash"


def test_a_day_without_views_is_a_gap_not_a_zero():
    chart = charts_traffic.ctr_by_day([rate(0), rate(2)], [], DAY + timedelta(days=9))
    band, line = chart.figure["data"]
    assert line["y"] == [0.1, None, 0.1]
    assert line["connectgaps"] is False
    assert band["x"].count(None) == 2  # two polygons, none across the gap


def test_the_band_is_the_interval_of_each_day():
    one = rate(0)
    chart = charts_traffic.ctr_by_day([one], [], DAY + timedelta(days=9))
    ys = [y for y in chart.figure["data"][0]["y"] if y is not None]
    assert (min(ys), max(ys)) == (one.interval.low, one.interval.high)


def test_the_axis_starts_at_zero_and_names_its_unit():
    layout = charts_traffic.ctr_by_day([rate(0)], [], DAY).figure["layout"]
    assert layout["yaxis"]["rangemode"] == "tozero"
    assert layout["yaxis"]["title"]["text"] == "Clicks per item seen"
    assert "UTC" in layout["xaxis"]["title"]["text"]


def test_switches_of_one_day_share_a_mark():
    chart = charts_traffic.ctr_by_day([rate(0)], [switch("v1"), switch("v2"), switch("v3", 2)], DAY)
    layout = chart.figure["layout"]
    assert [note["text"] for note in layout["annotations"]] == ["v1…v2", "v3"]
    assert [shape["line"]["dash"] for shape in layout["shapes"]] == ["dot", "dot"]


def test_the_table_holds_the_numbers_of_the_figure():
    chart = charts_traffic.ctr_by_day([rate(0)], [], DAY)
    assert chart.rows[0][:4] == ["2026-03-01", "100", "10", "10.00 %"]


def test_the_best_epoch_is_marked():
    history = [{"epoch": 1, "validation": 0.2}, {"epoch": 2, "validation": 0.1}]
    line, best = charts_models.validation(history, 1).figure["data"]
    assert (line["meta"], line["y"]) == ("validation", [0.2, 0.1])
    assert (best["meta"], best["x"], best["y"]) == ("best", [1], [0.2])


def test_no_epoch_yet_draws_an_empty_figure():
    assert charts_models.losses([]).rows == []
    assert charts_models.validation([], None).figure["data"][1]["x"] == []


def test_figures_are_plain_numbers_and_send_nothing_home():
    figure = charts_models.losses([{"epoch": 1, "loss": 2.0}]).figure
    assert "bdata" not in json.dumps(figure)
    config = figure["config"]
    assert (config["plotlyServerURL"], config["showSendToCloud"], config["displaylogo"]) == (
        "",
        False,
        False,
    )


def test_chinese_pages_get_the_chinese_locale():
    with translation.override("zh-hans"):
        figure = charts_traffic.ctr_by_day([rate(0)], [], DAY).figure
    assert figure["config"]["locale"] == "zh-CN"
    assert figure["layout"]["xaxis"]["tickformat"] == "%-m月%-d日"


def test_every_color_has_a_dark_twin():
    chart = charts_traffic.volume_by_type(
        [TypeCount(DAY, f"type{n}", n + 1) for n in range(7)], DAY
    )
    assert chart is not None
    colors = {trace["marker"]["color"] for trace in chart.figure["data"]}
    assert colors <= set(charts.DARK_OF)
    assert len(chart.figure["data"]) == 5  # four types and the others


def test_rare_types_share_one_bar():
    counts = [TypeCount(DAY, f"type{n}", 10 - n) for n in range(6)]
    chart = charts_traffic.volume_by_type(counts, DAY)
    assert chart is not None
    assert chart.figure["data"][-1]["y"] == [11]  # 6 + 5


def test_bands_are_translucent():
    assert charts.translucent("#0067A8") == "rgba(0,103,168,0.2)"


@pytest.mark.parametrize("found", [None, "nonsense", []])
def test_a_missing_curve_draws_nothing(found: object):
    assert charts_models.by_k([("v1", {"ndcg": found})], "ndcg") is None
