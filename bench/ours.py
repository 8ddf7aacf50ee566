"""Train one of our models on a frozen task and write its lists: one process, one model.

Started by `bench/accuracy.py`: `python -m bench.ours <task folder> <out folder> <options as JSON>`.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.frozen import Ask, Task, load_task
from bench.protocols import histories
from bench.work import Learned, ScoresFor, cpu_s, finish
from recommender.ml import evaluation
from recommender.ml.artifact import load_model
from recommender.ml.interactions import FloatArray, IntArray, Interactions
from recommender.ml.models import MODELS
from recommender.ml.models.base import ExportContext, Recommender
from recommender.ml.scoring import History, Scorer

REFERENCES = ("random", "popularity_of_all_time")
NEIGHBORS = 10  # content neighbors whose score a cold item takes over


def main(task_folder: str, out: str, options: str) -> None:
    """Train, export, load as serving would, rank, and write."""
    given = json.loads(options)
    task = _reading(load_task(Path(task_folder)), reads_text=given["reads_text"])
    folder = Path(out)
    if given["model"] in REFERENCES:
        learned = reference(given["model"], task, given["seed"])
    else:
        learned = train(task, given, folder)
    if given.get("fill_cold"):
        learned = replace(learned, scores_for=filled(learned.scores_for, task))
    finish(folder, task, learned)


def train(task: Task, given: Mapping[str, Any], folder: Path) -> Learned:
    """Train one model and hand over the artifact's scorer, so that lists are those of serving."""
    cls = MODELS[given["model"]]
    config = configured(cls, given["config"], given["epochs_share"])
    model = cls(config, threads=1)
    began = cpu_s()
    records = list(model.fit(task.train, validation=task.validation, seed=given["seed"]))
    spent = cpu_s() - began
    scorer, n_bytes = _served(model, task.train, folder / "artifact")
    known = {f.name for f in fields(config)}
    shown = {name: value for name, value in given["config"].items() if name in known}
    return Learned(
        scores_for=_scores_of(scorer),
        train_cpu_s=spent,
        epochs=len(records),
        note=", ".join(f"{name} {value}" for name, value in shown.items()) or "defaults",
        extra={"config": asdict(config), "artifact_bytes": n_bytes},
    )


def configured(cls: type[Recommender], changes: Mapping[str, Any], epochs_share: float) -> Any:
    """Return the model's config with the changes. Raises: TypeError when it has no such field."""
    config = cls.Config(**changes)
    if epochs_share == 1.0 or not hasattr(config, "epochs"):
        return config
    return replace(config, epochs=max(1, round(config.epochs * epochs_share)))


def reference(name: str, task: Task, seed: int) -> Learned:
    """Return chance, or counts of all that is known before the test, validation included."""
    data = task.train.followed_by(task.validation)
    began = cpu_s()
    if name == "random":
        scores = evaluation.random_scores(data.n_items, seed)
    else:
        forever = replace(data, half_life_s=np.full(len(data.kinds), np.inf))
        scores = evaluation.popularity_scores(forever)
    return Learned(lambda _, cases: scores(cases), cpu_s() - began)


def filled(scores_for: ScoresFor, task: Task) -> ScoresFor:
    """Let an item nobody has touched take the mean score of its 10 nearest by content."""
    content = task.train.content
    touched = np.bincount(task.train.item, minlength=len(content)) > 0
    cold = np.flatnonzero(~touched)[1:]  # 0 is no item
    likeness = content[cold] @ content.T
    likeness[:, ~touched] = -np.inf
    nearest = np.argsort(-likeness, axis=1, kind="stable")[:, :NEIGHBORS]

    def scores(ask: Ask, cases: IntArray) -> FloatArray:
        own = np.array(scores_for(ask, cases), np.float64)
        own[:, cold] = own[:, nearest].mean(axis=2)
        return own

    return scores


def _served(model: Recommender, data: Interactions, folder: Path) -> tuple[Scorer, int]:
    """Export and load again. Returns the scorer and the artifact's size in bytes."""
    shutil.rmtree(folder, ignore_errors=True)
    context = ExportContext(
        item_ids=np.arange(data.n_items + 1),
        user_ids=np.arange(data.n_users + 1),
        snapshot_sha256="0" * 64,
        trained_to=int(data.time.max()),
    )
    manifest = model.export(folder, context)
    return load_model(folder).scorer, sum(entry.n_bytes for entry in manifest.files)


def _scores_of(scorer: Scorer) -> ScoresFor:
    kept: dict[str, list[History]] = {}

    def scores(ask: Ask, cases: IntArray) -> FloatArray:
        if ask.name not in kept:
            kept[ask.name] = histories(ask)
        return scorer.score([kept[ask.name][case] for case in cases])

    return scores


def _reading(task: Task, *, reads_text: bool) -> Task:
    """Take the content vectors away from a model that is not to read them."""
    if reads_text:
        return task
    nothing = np.zeros((task.train.n_items + 1, 0), np.float32)
    return replace(
        task,
        train=replace(task.train, content=nothing),
        validation=replace(task.validation, content=nothing),
    )


if __name__ == "__main__":
    main(*sys.argv[1:4])
