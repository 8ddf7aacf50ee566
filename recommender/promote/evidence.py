"""Collect what the gate looks at: the artifact itself, the evaluation, and 20 people's lists."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recommender.collect.state import HISTORY_LENGTH
from recommender.evaluate.contender import features_for
from recommender.evaluate.models import Evaluation
from recommender.ml.artifact import ArtifactError, LoadedModel, load_model
from recommender.ml.evaluation import histories_of
from recommender.ml.interactions import FloatArray
from recommender.ml.stats import Interval
from recommender.ml.topk import top_k
from recommender.prepare.services import OpenSnapshot, open_snapshot
from recommender.promote.gates import Beside, Evidence
from recommender.promote.models import ModelVersion, Variant
from recommender.train.failpoints import hit

METRIC = "ndcg@10"
COVERAGE = "coverage@10"
FINITE = "finite_scores"  # 1 when every score of every judged user is a number
NOT_FINITE = "some scores are NaN or infinite"
NEWCOMERS = "3"  # after so many events: one says too little, five are too few people's
AUC = "auc"
PEOPLE = 20
LIST_LENGTH = 10


def collect(
    *, version: ModelVersion, champion: ModelVersion | None, evaluation: Evaluation
) -> Evidence:
    """Load the artifact twice, draw the lists, and read the evaluation. Seconds, no writing."""
    fault, lists = try_out(version)
    if not fault and figure(evaluation.metrics, FINITE) == 0.0:
        fault = NOT_FINITE
    paired = interval(evaluation.paired.get(METRIC)) if champion else None
    ours = figure(evaluation.metrics, METRIC)
    return Evidence(
        model=version.model,
        champion_model=champion.model if champion else None,
        artifact_fault=fault,
        champion_ndcg=ours - paired.value if paired else None,
        against_champion=paired,
        against_popularity=against_popularity(evaluation),
        coverage=figure(evaluation.metrics, COVERAGE),
        champion_coverage=champion_coverage(champion, evaluation) if champion else None,
        lists=lists,
        new_users=beside(evaluation.cold, ("users", NEWCOMERS), METRIC, champion),
        new_items=beside(evaluation.cold, ("items",), AUC, champion),
    )


def beside(
    cold: Mapping[str, Any], path: Sequence[str], metric: str, champion: ModelVersion | None
) -> Beside | None:
    """Read how a metric compares to the live version, or to popularity while nothing is live.

    Returns: None where the evaluation did not judge it, as those of earlier releases.
    """
    for step in path:
        cold = cold.get(step) or {}
    name, other = (metric, "champion") if champion else (f"{metric}:popularity", "popularity")
    difference = interval((cold.get("paired") or {}).get(name))
    if difference is None or math.isnan(difference.value):
        return None
    return Beside(difference, figure(cold["baselines"][other], metric))


def fault_of(version: ModelVersion | Variant) -> str:
    """Return why the artifact cannot serve, or nothing. Reads and hashes every file."""
    try:
        load_model(Path(version.path), manifest_sha256=version.manifest_sha256)
    except (ArtifactError, OSError) as error:
        return str(error)
    return ""


def try_out(version: ModelVersion) -> tuple[str, list[list[int]]]:
    """Return what is wrong with the artifact, if anything, and the lists that people would get."""
    folder = Path(version.path)
    opened = open_snapshot(version.snapshot)
    hit("hash.before")
    try:
        first, second = (
            scores(load_model(folder, manifest_sha256=version.manifest_sha256), opened)
            for _ in range(2)
        )
    except (ArtifactError, OSError) as error:
        return str(error), []
    hit("hash.done")
    lists: list[list[int]] = top_k(first, LIST_LENGTH).tolist()
    if not np.isfinite(first[:, 1:]).all():
        return NOT_FINITE, lists
    if not np.array_equal(first, second):
        return "a second load gave other scores", lists
    return "", lists


def scores(model: LoadedModel, opened: OpenSnapshot) -> FloatArray:
    """Score everything for up to 20 people, the most active and the least, (n, M+1)."""
    known = opened.interactions.before(opened.split_at)
    counts = np.bincount(known.user[known.weight > 0], minlength=known.n_users + 1)
    active = np.flatnonzero(counts)
    by_activity = active[np.argsort(counts[active], kind="stable")]
    places = np.unique(np.linspace(0, len(by_activity) - 1, PEOPLE).astype(int))
    people = by_activity[places] if len(by_activity) else by_activity
    numbers = np.array(model.item_numbers(opened.item_ids))
    numbers[0] = 0
    histories = histories_of(
        known, people, numbers, features=features_for(model, opened), length=HISTORY_LENGTH
    )
    return model.scorer.score(histories)


def against_popularity(evaluation: Evaluation) -> Interval | None:
    """Return the paired difference to popularity, as `evaluate` measured it."""
    return interval(evaluation.paired.get(f"{METRIC}:popularity"))


def champion_coverage(champion: ModelVersion, evaluation: Evaluation) -> float | None:
    """Return the live version's coverage: on the same window if measured, else when it was new."""
    beside = evaluation.baselines.get("champion")
    if beside is not None:
        return figure(beside, COVERAGE)
    last = champion.evaluations.order_by("-id").first()
    return figure(last.metrics, COVERAGE) if last else None


def figure(metrics: Mapping[str, Any], name: str) -> float:
    """Return a metric's value, NaN when it is undefined or absent."""
    entry = metrics.get(name) or {}
    value = entry.get("value")
    return math.nan if value is None else float(value)


def interval(entry: Mapping[str, Any] | None) -> Interval | None:
    """Read an interval from JSON; None stays None, undefined bounds become NaN."""
    if entry is None:
        return None
    value, low, high = (
        math.nan if entry.get(name) is None else float(entry[name])
        for name in ("value", "low", "high")
    )
    return Interval(value, low, high, int(entry.get("n") or 0))
