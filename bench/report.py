"""Write what was judged as tables, with intervals, costs and what flatters whom."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import picture
from bench.entries import Entry
from bench.frozen import Task
from bench.judge import AUC, HR, MRR, NDCG, PRECISION, RECALL, Judged
from bench.settings import CHAMPION
from bench.work import RUN
from recommender.ml.recipes import RECIPES
from recommender.ml.stats import Interval

REQUIREMENTS = Path(__file__).resolve().parent / "requirements-peers.txt"
COLUMNS = {  # ask → metrics shown, the first two with paired differences
    "b": (HR, NDCG, MRR),
    "a": (HR, NDCG, MRR),
    "visits": (RECALL, NDCG, PRECISION, HR),
    "window": (RECALL, NDCG, PRECISION, HR),
    "cold": (HR, NDCG, MRR),
    "among": (AUC,),
}
HEAD = ("model", "reads", "training CPU s", "tuning CPU s", "peak MB", "one list, CPU ms (p95)")
NOTES = {
    "a": "156 users have the positive once more among their negatives; strict > makes that "
    "harmless. Many events of this set share a second and their order within it follows the "
    "site's page, which flatters every model that reads order, published ones too; the second "
    "table leaves out the users whose test event is not also the last in order.",
    "b": "Times of other users in training may lie after a test event, which flatters all alike. "
    "Ties of time in MovieLens follow the site's page and flatter models that read order.",
    "visits": "Peers get the same histories at each visit as we do, where they can take them in.",
    "cold": "Popularity and chance know nothing of these items; a warm negative always beats an "
    "item without any score, hence figures below chance.",
}


def section(
    task: Task, rows: Sequence[Entry], judged: Mapping[str, Mapping[str, Judged]], runs: Path
) -> str:
    """Return the Markdown of one task: a table for each ask, then settings."""
    found = {row.name: _run(runs / row.name) for row in rows if (runs / row.name / RUN).exists()}
    kept = [row for row in rows if row.name in found]
    parts = [f"## {task.name}: {task.text}\n"]
    for name, ask in task.asks.items():
        if name.startswith("late-"):
            continue
        parts.append(f"### {name}: {ask.text}\n")
        parts.append(_table(name, kept, judged[name], found))
        for group in next(iter(judged[name].values())).groups if judged[name] else ():
            parts.append(f"Users whose test event is also {group}:\n")
            parts.append(_table(name, kept, judged[name], found, group))
        parts.append(_notes(name, judged[name]))
    if any(name.startswith("late-") for name in judged):
        parts.append(_staleness(kept, judged))
    parts.append(_settings(kept, found))
    missing = [row.label for row in rows if row.name not in found]
    if missing:
        parts.append(f"Not run: {'; '.join(missing)}.\n")
    return "\n".join(part for part in parts if part)


def keep(
    work: Path,
    task: Task,
    rows: Sequence[Entry],
    judged: Mapping[str, Mapping[str, Judged]],
    runs: Path,
) -> None:
    """Keep one task's section and its points for the picture until all is written."""
    folder = work / "sections"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{task.name}.md").write_text(section(task, rows, judged, runs), encoding="utf-8")
    ask = next(iter(judged))
    points = [
        _point(row, judged[ask][row.name], _run(runs / row.name))
        for row in rows
        if row.name in judged[ask] and NDCG in judged[ask][row.name].per_user
    ]
    text = json.dumps(points, indent=1)
    (folder / f"{task.name}.json").write_text(text, encoding="utf-8")


def write(work: Path, results: Path, seed: int) -> None:
    """Write the kept sections as `accuracy-<data set>.md`, and the picture."""
    results.mkdir(parents=True, exist_ok=True)
    sections = work / "sections"
    for dataset in ("ml-100k", "ml-1m"):
        texts = [path.read_text("utf-8") for path in sorted(sections.glob(f"{dataset}-*.md"))]
        if texts:
            whole = _head(dataset, seed) + "\n".join(texts)
            (results / f"accuracy-{dataset}.md").write_text(whole, encoding="utf-8")
    for name in ("ml-100k-b", "ml-1m-b"):
        path = sections / f"{name}.json"
        if path.exists():
            drawn = picture.draw(
                json.loads(path.read_text("utf-8")), f"{name}: quality against training time"
            )
            (results / f"{name}.svg").write_text(drawn, encoding="utf-8")


def machine() -> str:
    """Describe the machine and the libraries, without its name."""
    cpu = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "onnxruntime"))
    peers = ", ".join(
        line.split("#")[0].strip().replace("==", " ")
        for line in REQUIREMENTS.read_text("utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    )
    return (
        f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}, "
        f"{libraries}; peers: {peers}"
    )


def _head(dataset: str, seed: int) -> str:
    picture_line = f"![quality against training CPU seconds]({dataset}-b.svg)\n\n"
    return (
        f"# Accuracy on {'MovieLens-100K' if dataset == 'ml-100k' else 'MovieLens-1M'}\n\n"
        f"Written by `make bench-accuracy`, seed {seed}; every model in a process of its own, one "
        f"thread. {machine()}.\n\n"
        "Brackets are 95 % intervals from resampling users; one training each, so they hold the "
        "chance of the users, not of the training. All lists, ours and the peers', are judged by "
        "the same code, which agrees with ir-measures on these very lists to 1e-9. RecTools' own "
        "NDCG differs (by default it divides by k hits' gain, whatever the user took), so its "
        "published figures are not comparable with these; its lists are judged here as all others. "
        "Every rating counts as taken. Training CPU is the chosen setting's; tuning CPU is all "
        "settings tried. The peak is of the whole process, ranking included. MRR is within the "
        f"first 100. The last column is {RECIPES[CHAMPION].label.lower()} minus the row, on the "
        "same users: bold when the interval lies above 0. Random and popularity stand beside. "
        "Settings are below each table.\n\n" + picture_line
    )


def _table(
    name: str,
    rows: Sequence[Entry],
    judged: Mapping[str, Judged],
    found: Mapping[str, dict[str, Any]],
    group: str | None = None,
) -> str:
    metrics = COLUMNS[name]
    shown = [row for row in rows if row.name in judged]
    ours = judged.get(CHAMPION)
    against = NDCG if NDCG in metrics else metrics[0]
    n = next(iter(judged[shown[0].name].figures(group).values())).n if shown else 0
    heads = [HEAD[0], *metrics, *HEAD[1:], f"{against}: ours − this"]
    lines = [f"{n} users.\n", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in shown:
        figures = judged[row.name].figures(group)
        cells = [_label(row), *(_cell(figures[metric]) for metric in metrics)]
        cells += [row.reads, *_costs(found[row.name])]
        ahead = ours.ahead_of(judged[row.name], against, group) if ours else None
        cells.append(_difference(ahead) if ahead and row.name != CHAMPION else "–")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _label(row: Entry) -> str:
    return f"**{row.label}**" if row.side == "ours" else row.label


def _cell(interval: Interval) -> str:
    return f"{interval.value:.4f} [{interval.low:.3f}, {interval.high:.3f}]"


def _difference(interval: Interval) -> str:
    text = f"{interval.value:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"
    return f"**{text}**" if interval.low > 0 else text


def _costs(run: Mapping[str, Any]) -> list[str]:
    latency = run.get("latency_ms") or {}
    tuning = run["tuning_cpu_s"]
    listed = "–"
    if latency:
        listed = f"{latency['cpu_median']:.2f} ({latency['cpu_p95']:.2f})"
    return [
        f"{run['train_cpu_s']:.1f}",
        f"{tuning:.0f}" if tuning else "–",
        f"{run['peak_mb']:.0f}",
        listed,
    ]


def _notes(name: str, judged: Mapping[str, Judged]) -> str:
    lines = [NOTES[name]] if name in NOTES else []
    tied = {row: own.tied_share for row, own in judged.items() if own.tied_share > 0.01}
    if tied:
        listed = ", ".join(f"{row} {share:.1%}" for row, share in tied.items())
        lines.append(f"Negatives tied with the positive, which flatters: {listed}.")
    gap = max((own.oracle_gap for own in judged.values()), default=0.0)
    lines.append(f"Largest difference from ir-measures: {gap:.1e}.")
    return " ".join(lines) + "\n"


def _staleness(rows: Sequence[Entry], judged: Mapping[str, Mapping[str, Judged]]) -> str:
    late = [name for name in judged if name.startswith("late-")]
    farthest = late[-1]
    heads = ["HR@10 with the newest … events hidden", "0", *(name[5:] for name in late)]
    heads.append(f"0 against {farthest[5:]}")
    lines = ["### Staleness: the same weights, events that have not arrived\n"]
    lines += ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        if row.name not in judged["b"] or row.side == "reference":
            continue
        values = [float(judged[name][row.name].per_user[HR].mean()) for name in ("b", *late)]
        ratio = values[0] / values[-1] if values[-1] else float("nan")
        cells = [_label(row), *(f"{value:.4f}" for value in values), f"{ratio:.2f} ×"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _settings(rows: Sequence[Entry], found: Mapping[str, dict[str, Any]]) -> str:
    lines = ["Settings:\n"]
    for row in rows:
        if row.side == "reference":
            continue
        run = found[row.name]
        epochs = f"; {run['epochs']} epochs" if run["epochs"] else ""
        size = f"; artifact {run['artifact_bytes'] / 1e6:.1f} MB" if "artifact_bytes" in run else ""
        lines.append(f"* {row.label}: {run['note']}{epochs}{size}; tuning: {row.tuning or 'none'}")
    return "\n".join(lines) + "\n"


def _point(row: Entry, judged: Judged, run: Mapping[str, Any]) -> dict[str, Any]:
    figure = judged.figures()[NDCG]
    return {
        "label": row.label,
        "side": row.side,
        "x": max(run["train_cpu_s"], 0.01),
        "y": figure.value,
        "low": figure.low,
        "high": figure.high,
    }


def _run(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / RUN).read_text(encoding="utf-8"))
    return found
