"""Train our models and the peers on the same frozen splits, judge all, and write the tables.

Run from the repository: `python -m bench.accuracy --data FOLDER`, FOLDER holding `ml-100k/` and
`ml-1m/`. What is finished is kept in the work folder, so an interrupted run goes on.
"""

import argparse
import fnmatch
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import report
from bench.data import Source, load_1m, load_100k
from bench.entries import Entry, Run, entries
from bench.frozen import Task, load_task, save_task, tree_hash
from bench.judge import HR, NDCG, Judged, judge
from bench.protocols import (
    LATE,
    Frozen,
    by_the_clock,
    cold_items,
    content_of,
    leave_last,
    ncf,
    with_content,
)
from bench.work import RUN

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
PEERS_PYTHON = ROOT / "build" / "peers-venv" / "bin" / "python"
TASKS = ("ml-100k-b", "ml-100k-c", "ml-100k-cold", "ml-1m-b", "ml-1m-a", "ml-1m-cold")
OURS_CODE = ("recommender/ml", "bench/ours.py", "bench/protocols.py", "bench/work.py")
PEERS_CODE = (
    "bench/peers.py",
    "bench/peers_lenskit.py",
    "bench/peers_rectools.py",
    "bench/work.py",
    "bench/requirements-peers.txt",
)
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "LK_NUM_PROCS": "1",
    "LK_NUM_THREADS": "1",
    "LK_NUM_BACKEND_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONHASHSEED": "0",
}
# Popularity by training counts under protocol a, as published: HR@10, NDCG@10.
NCF_POPULARITY = (0.4538, 0.2545)


@dataclass(frozen=True)
class Place:
    """Hold where one task lies and what its bytes hash to."""

    folder: Path
    runs: Path
    sha256: str


def main(arguments: Sequence[str]) -> int:
    """Run everything; 0 also when there is no data, 1 when a row failed."""
    options = _options(arguments)
    is_failed = False
    for name in options.tasks:
        dataset = name.rsplit("-", 1)[0]
        if not (options.data / dataset).exists():
            _say(f"skipped {name}: no data (no {options.data / dataset})")
            continue
        place = freeze(name, dataset, options)
        task = load_task(place.folder)
        run = Run(name, dataset, options.seed, options.is_small)
        rows = _chosen(entries(run), options)
        is_failed |= not _run_all(rows, place, options)
        judged = judge_all(rows, task, place)
        if options.is_small or options.only != ["*"]:
            _say(report.section(task, rows, judged, place.runs))
            continue
        report.keep(options.work, task, rows, judged, place.runs)
    if options.write and not options.is_small:
        report.write(options.work, RESULTS, options.seed)
    return 1 if is_failed else 0


def freeze(name: str, dataset: str, options: argparse.Namespace) -> Place:
    """Make the splits of one task; the same data, code and seed give the same bytes."""
    source = load_100k(options.data / dataset) if dataset == "ml-100k" else _1m(options.data)
    made = _make(name, source, options.seed)
    encoder, content = content_of(source, options.work / "content")
    made = with_content(made, content, encoder)
    folder = options.work / "tasks" / name
    sha256 = save_task(folder, made.task, made.answers)
    kind = "small" if options.is_small else "full"
    return Place(folder, options.work / f"runs-{kind}" / name, sha256)


def run_one(entry: Entry, place: Place, options: argparse.Namespace) -> bool:
    """Train and rank one row in a process of its own, unless that is done; False when it failed."""
    out = place.runs / entry.name
    key = _key(entry, place)
    if (out / RUN).exists() and (out / "key").read_text() == key and not options.fresh:
        return True
    out.mkdir(parents=True, exist_ok=True)
    (out / RUN).unlink(missing_ok=True)
    python = options.peers_python if entry.side == "peer" else Path(sys.executable)
    module = "bench.peers" if entry.side == "peer" else "bench.ours"
    command = [
        str(python),
        "-m",
        module,
        str(place.folder),
        str(out),
        json.dumps(dict(entry.options)),
    ]
    began = time.perf_counter()
    with (out / "log.txt").open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - our own modules
            command, cwd=ROOT, env={**os.environ, **ONE_THREAD}, stdout=log, stderr=log
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    spent = used.ru_utime + used.ru_stime
    if process.returncode or not (out / RUN).exists():
        _say(f"{entry.name}: failed, see {out / 'log.txt'}")
        return False
    _add(out / RUN, process_cpu_s=spent)
    (out / "key").write_text(key)
    _say(f"{place.runs.name} {entry.name}: {spent:.0f} CPU s, {time.perf_counter() - began:.0f} s")
    return True


def judge_all(rows: Sequence[Entry], task: Task, place: Place) -> dict[str, dict[str, Judged]]:
    """Judge every written list: ask → row → what it is worth."""
    judged: dict[str, dict[str, Judged]] = {}
    for ask_name, ask in task.asks.items():
        judged[ask_name] = {
            row.name: judge(place.folder, ask, place.runs / row.name / "lists" / f"{ask_name}.npy")
            for row in rows
            if (place.runs / row.name / RUN).exists()
        }
    if "a" in judged and "popularity_of_all_time" in judged["a"]:
        _check_harness(judged["a"]["popularity_of_all_time"])
    return judged


def _check_harness(popularity: Judged) -> None:
    """Raise AssertionError unless popularity gives the published figures."""
    found = tuple(float(popularity.per_user[name].mean()) for name in (HR, NDCG))
    close = np.allclose(found, NCF_POPULARITY, atol=5e-5)
    assert close, f"popularity gives {found} under NCF's protocol; expected {NCF_POPULARITY}"


def _make(name: str, source: Source, seed: int) -> Frozen:
    kind = name.rsplit("-", 1)[1]
    if kind == "b":
        return leave_last(source, late=LATE if source.name == "ml-100k" else ())
    if kind == "c":
        return by_the_clock(source)
    return ncf(source) if kind == "a" else cold_items(source, seed)


def _1m(data: Path) -> Source:
    return load_1m(data / "ml-1m")


def _run_all(rows: Sequence[Entry], place: Place, options: argparse.Namespace) -> bool:
    """Run the rows; True when all are there."""
    if not options.peers_python.exists():
        _say("peers are left out: run `make bench-peers` first")
        rows = [row for row in rows if row.side != "peer"]
    with ThreadPoolExecutor(options.jobs) as pool:
        return all(list(pool.map(lambda row: run_one(row, place, options), rows)))


def _key(entry: Entry, place: Place) -> str:
    code = PEERS_CODE if entry.side == "peer" else OURS_CODE
    parts = [place.sha256, json.dumps(dict(entry.options), sort_keys=True)]
    parts += [tree_hash([ROOT / path]) for path in code]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _chosen(rows: Sequence[Entry], options: argparse.Namespace) -> list[Entry]:
    return [row for row in rows if any(fnmatch.fnmatch(row.name, one) for one in options.only)]


def _add(path: Path, **numbers: float) -> None:
    run = json.loads(path.read_text(encoding="utf-8")) | numbers
    path.write_text(json.dumps(run, indent=1, sort_keys=True), encoding="utf-8")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"), help="holds ml-100k and ml-1m")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "bench")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--only", nargs="+", default=["*"], help="rows, by name or pattern")
    parser.add_argument("--budget", choices=["full", "small"], default="full")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="do not use what is finished")
    parser.add_argument("--peers-python", type=Path, default=PEERS_PYTHON)
    parser.add_argument("--no-write", dest="write", action="store_false")
    options = parser.parse_args(arguments)
    options.is_small = options.budget == "small"
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
