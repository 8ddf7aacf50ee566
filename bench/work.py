"""What a model's own process does after training: rank what is asked, and say what it cost.

Runs in our environment and in the peers': numpy only.
"""

import json
import re
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.frozen import Ask, Task
from recommender.ml.interactions import BoolArray, FloatArray, IntArray
from recommender.ml.topk import mask_seen, top_k

DEPTH = 100  # how long the written lists are
BATCH = 256
N_LATENCY = 200  # single users timed
WARM_UP = 10
RUN = "run.json"

# Given an ask and positions of its cases, return their (b, M+1) scores.
ScoresFor = Callable[[Ask, IntArray], FloatArray]


@dataclass(frozen=True)
class Learned:
    """Hold a trained model and what its training reports."""

    scores_for: ScoresFor
    train_cpu_s: float
    tuning_cpu_s: float = 0.0
    epochs: int = 0
    note: str = ""  # chosen settings, for the table
    extra: Mapping[str, Any] = field(default_factory=dict)


def cpu_s() -> float:
    """Return CPU seconds of this process, its threads, and children that have ended."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


def peak_mb() -> float:
    """Return the largest resident memory of this process so far, in MB.

    Not `ru_maxrss`, which a process inherits from the one that started it.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found.group(1)) / 1024 if found else float("nan")


def finish(out: Path, task: Task, learned: Learned) -> None:
    """Rank every ask, time single users, and write lists, scores and `run.json` to `out`."""
    trained_mb = peak_mb()
    shown = out / "lists"
    shown.mkdir(parents=True, exist_ok=True)
    began = cpu_s()
    for name, ask in task.asks.items():
        if ask.candidates is None:
            np.save(shown / f"{name}.npy", rank(learned.scores_for, ask))
        else:
            np.save(shown / f"{name}.npy", score_candidates(learned.scores_for, ask))
    ranking_cpu_s = cpu_s() - began
    first = next(iter(task.asks.values()))
    run = {
        "train_cpu_s": learned.train_cpu_s,
        "tuning_cpu_s": learned.tuning_cpu_s,
        "ranking_cpu_s": ranking_cpu_s,
        "peak_mb": peak_mb(),
        "trained_mb": trained_mb,
        "epochs": learned.epochs,
        "note": learned.note,
        "latency_ms": latency(learned.scores_for, first),
        **learned.extra,
    }
    (out / RUN).write_text(json.dumps(run, indent=1, sort_keys=True), encoding="utf-8")


def rank(scores_for: ScoresFor, ask: Ask) -> IntArray:
    """Return (n, DEPTH) item numbers, best first, equal scores by lower number, 0 = no more."""
    parts = [np.zeros((0, DEPTH), np.int32)]
    for start in range(0, len(ask), BATCH):
        cases = np.arange(start, min(start + BATCH, len(ask)))
        scores = np.asarray(scores_for(ask, cases), np.float64)
        masked = mask_seen(scores, [ask.seen[case] for case in cases])
        parts.append(top_k(masked, DEPTH).astype(np.int32))
    return np.concatenate(parts)


def score_candidates(scores_for: ScoresFor, ask: Ask) -> FloatArray:
    """Return (n, C) scores of each case's candidates. Raises: ValueError when one is NaN."""
    if ask.candidates is None:
        raise ValueError(f"{ask.name} asks for a full ranking")
    parts = [np.zeros((0, ask.candidates.shape[1]))]
    for start in range(0, len(ask), BATCH):
        cases = np.arange(start, min(start + BATCH, len(ask)))
        scores = np.asarray(scores_for(ask, cases), np.float64)
        parts.append(np.take_along_axis(scores, ask.candidates[cases], axis=1))
    found = np.concatenate(parts)
    if np.isnan(found).any():
        raise ValueError(f"{np.isnan(found).sum()} scores of {ask.name} are NaN")
    return found


def latency(scores_for: ScoresFor, ask: Ask) -> dict[str, float]:
    """Return median and 95 % quantile of CPU and wall milliseconds for one user's whole list."""
    n = min(len(ask), N_LATENCY)
    if n == 0:
        return {}
    spread = np.linspace(0, len(ask) - 1, n + WARM_UP).astype(np.int64)
    times = np.array([_one(scores_for, ask, int(case)) for case in spread])[WARM_UP:]
    cpu, wall = times.T * 1000
    return {
        "cpu_median": float(np.median(cpu)),
        "cpu_p95": float(np.quantile(cpu, 0.95)),
        "wall_median": float(np.median(wall)),
        "wall_p95": float(np.quantile(wall, 0.95)),
        "n": float(n),
    }


def _one(scores_for: ScoresFor, ask: Ask, case: int) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    scores = np.asarray(scores_for(ask, np.array([case])))
    top_k(mask_seen(scores, [ask.seen[case]]), DEPTH)
    return time.process_time() - cpu, time.perf_counter() - wall


def is_known(task: Task) -> BoolArray:
    """Mark (M+1,) the items that training meets."""
    known = np.zeros(task.train.n_items + 1, np.bool_)
    known[task.train.item] = True
    return known
