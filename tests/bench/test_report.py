import json
from xml.etree import ElementTree

import numpy as np
import pytest

from bench import picture, report
from bench.entries import Entry
from bench.frozen import load_task, save_task
from bench.judge import judge
from bench.protocols import leave_last
from bench.work import Learned, finish
from tests.bench.world import circle


def next_in_line(ask, cases):
    out = np.zeros((len(cases), 131))
    for row, case in zip(out, cases, strict=True):
        row[ask.items[case][-1] + 1] = 1.0
    return out


def nothing(ask, cases):
    return np.zeros((len(cases), 131))


@pytest.fixture
def judged(tmp_path):
    made = leave_last(circle(), late=(1, 3))
    save_task(tmp_path / "t", made.task, made.answers)
    task = load_task(tmp_path / "t")
    rows = [
        Entry("transformer", "Transformer", "ours", "the newest events", {}),
        Entry("slow", "Slow peer", "peer", "nothing new", {}, tuning="none at all"),
    ]
    for row, scores, seconds in zip(rows, (next_in_line, nothing), (10.0, 250.0), strict=True):
        finish(tmp_path / "runs" / row.name, task, Learned(scores, seconds, note="as it is"))
    found = {
        name: {
            row.name: judge(
                tmp_path / "t", ask, tmp_path / "runs" / row.name / "lists" / f"{name}.npy"
            )
            for row in rows
        }
        for name, ask in task.asks.items()
    }
    return task, rows, found


def test_a_section_holds_figures_intervals_costs_and_what_is_read(judged, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "CHAMPION", "transformer")
    text = report.section(*judged, tmp_path / "runs")
    ours = next(line for line in text.splitlines() if line.startswith("| **Transformer**"))
    assert "1.0000 [1.000, 1.000]" in ours
    assert "| the newest events | 10.0 |" in ours
    peer = next(line for line in text.splitlines() if line.startswith("| Slow peer"))
    assert "| nothing new | 250.0 |" in peer
    assert "tuning: none at all" in text
    assert "Largest difference from ir-measures:" in text
    assert "Not run" not in text


def test_rows_that_were_not_run_are_named(judged, tmp_path):
    task, rows, found = judged
    absent = Entry("absent", "Absent peer", "peer", "nothing", {})
    assert "Not run: Absent peer." in report.section(
        task, [*rows, absent], found, tmp_path / "runs"
    )


def test_staleness_divides_the_fresh_figure_by_that_with_most_events_hidden(judged, tmp_path):
    text = report.section(*judged, tmp_path / "runs")
    row = [line for line in text.splitlines() if line.startswith("| **Transformer**")][-1]
    # With one event hidden the world's rule points at a seen item, and ties list 1, 2, …
    assert row.startswith("| **Transformer** | 1.0000 |")
    assert "| 0 | 1 | 3 | 0 against 3 |" in text


def test_kept_sections_become_one_page_and_a_picture(judged, tmp_path, monkeypatch):
    task, rows, found = judged
    monkeypatch.setattr(report, "CHAMPION", "transformer")
    renamed = {**vars(task), "name": "ml-100k-b"}
    report.keep(tmp_path / "w", type(task)(**renamed), rows, found, tmp_path / "runs")
    report.write(tmp_path / "w", tmp_path / "results", seed=7)
    page = (tmp_path / "results" / "accuracy-ml-100k.md").read_text("utf-8")
    assert "seed 7" in page
    assert "rectools 0.19.0" in page
    assert "(ml-100k-b.svg)" in page
    drawn = (tmp_path / "results" / "ml-100k-b.svg").read_text("utf-8")
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert "Slow peer" in drawn
    assert len(json.loads((tmp_path / "w" / "sections" / "ml-100k-b.json").read_text())) == 2


def test_labels_of_near_points_do_not_lie_upon_each_other():
    placed = sorted(picture._spread([100.0, 101.0, 102.0, 300.0]))
    assert min(np.diff(placed)) >= picture.LINE


def test_a_longer_training_stands_further_right():
    points = [
        {"label": name, "side": "ours", "x": x, "y": 0.1, "low": 0.05, "high": 0.15}
        for name, x in (("quick", 1.0), ("slow & long", 900.0))
    ]
    tree = ElementTree.fromstring(picture.draw(points, "a < b"))
    dots = [float(one.get("cx")) for one in tree if one.tag.endswith("circle")]
    assert dots[0] < dots[1]


def test_nothing_to_draw_is_said():
    with pytest.raises(ValueError, match="nothing to draw"):
        picture.draw([], "empty")
