"""Make every variant of a version and measure its price on the version's own later window."""

import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from onnx.checker import ValidationError

from recommender import clock
from recommender.collect.state import HISTORY_LENGTH
from recommender.errors import NotReady
from recommender.evaluate.contender import Contender, enter
from recommender.evaluate.services import SEED, judge
from recommender.evaluate.window import Window, open_window
from recommender.ml import evaluation as ml
from recommender.ml.artifact import ArtifactError, read_manifest
from recommender.ml.compress import (
    CannotCompressError,
    compress,
    cpu_ms,
    overlap,
    served_bytes,
    variants_of,
)
from recommender.ml.evaluation import Outcome, histories_of, per_user_mean
from recommender.ml.scoring import History
from recommender.ml.stats import bootstrap_means
from recommender.prepare.services import OpenSnapshot, open_snapshot
from recommender.promote.evidence import METRIC, fault_of
from recommender.promote.models import ModelVersion, Variant

log = structlog.get_logger(__name__)

MOST_PEOPLE = 2_000  # whose histories before the window say which axes short vectors keep
TIMED_PEOPLE = 50


@dataclass(frozen=True)
class Form:
    """Name an artifact folder, as `evaluate` wants a version to be named."""

    pk: int
    path: str
    manifest_sha256: str
    trained_to: datetime


@dataclass(frozen=True)
class Bench:
    """Hold what all variants of a version are measured with."""

    version: ModelVersion
    opened: OpenSnapshot
    window: Window
    original: Variant
    n_bytes: int  # of the original, without weights to train on from
    outcome: Outcome  # of the original


def measure_all(*, version: ModelVersion) -> list[Variant]:
    """Make and measure the original and all its variants; a row each, written as it is ready.

    Variants that are whole are measured again, not made again. One that cannot be made keeps the
    reason in its row. Costs one scoring of the judged users per variant.

    Raises: NotReady when nobody took anything new after the split; ArtifactError when the
        original is damaged.
    """
    opened = open_snapshot(version.snapshot)
    window = open_window(opened, version.catalog)
    if not len(window.cases):
        raise NotReady(
            f"Snapshot {version.snapshot_id}: nobody took anything new after its split; "
            "a variant has nothing to be judged on."
        )
    original = _original(version)
    contender = _enter(version, original, opened)
    n_bytes = served_bytes(contender.model.manifest)
    bench = Bench(version, opened, window, original, n_bytes, judge(contender, window))
    rows = [_write(bench, original, contender, bench.outcome)]
    people = _people(bench, contender)
    for name in variants_of(read_manifest(Path(original.path))):
        rows.append(_measured(bench, name, people))
        log.info("variant_measured", version=version.label, variant=name, error=rows[-1].error)
    return rows


def _original(version: ModelVersion) -> Variant:
    """Return the row of the original, which is what serves until a variant was chosen."""
    if version.variant:
        return version.variants.get(name=Variant.ORIGINAL)
    facts = {"path": version.path, "manifest_sha256": version.manifest_sha256}
    return Variant(version=version, name=Variant.ORIGINAL, size_bytes=version.size_bytes, **facts)


def _measured(bench: Bench, name: str, people: list[History]) -> Variant:
    known = bench.version.variants.filter(name=name, state=Variant.State.READY).first()
    variant = known or Variant(version=bench.version, name=name)
    try:
        if known is None or fault_of(known):
            _make(bench, variant, people)
        contender = _enter(bench.version, variant, bench.opened)
        return _write(bench, variant, contender, judge(contender, bench.window))
    except (ArtifactError, CannotCompressError, ValidationError, OSError) as error:
        return _save(variant, state=Variant.State.FAILED, error=str(error)[:1_000])


def _make(bench: Bench, variant: Variant, people: list[History]) -> None:
    """Write the variant beside the original, in a folder that no other try uses."""
    source = Path(bench.original.path)
    folder = source.parent / f"{source.name}-{variant.name}-{uuid.uuid4().hex[:8]}"
    manifest = compress(source, folder, variant.name, people=people)
    variant.path, variant.manifest_sha256 = str(folder), manifest.sha256
    variant.size_bytes = manifest.n_bytes


def _enter(version: ModelVersion, variant: Variant, opened: OpenSnapshot) -> Contender:
    form = Form(version.pk, variant.path, variant.manifest_sha256, version.trained_to)
    return enter(form, opened)


def _people(bench: Bench, contender: Contender) -> list[History]:
    """Return histories of users from before the window, so that nothing judged is looked at."""
    known = bench.window.train
    users = np.unique(known.user[known.weight > 0])
    if len(users) > MOST_PEOPLE:
        users = np.random.default_rng(SEED).choice(users, MOST_PEOPLE, replace=False)
    return histories_of(
        known, users, contender.numbers, features=contender.features, length=HISTORY_LENGTH
    )


def _write(bench: Bench, variant: Variant, contender: Contender, outcome: Outcome) -> Variant:
    began = time.process_time()
    _enter(bench.version, variant, bench.opened)
    loaded = time.process_time() - began
    people = _people(bench, contender)[:TIMED_PEOPLE]
    n_bytes = served_bytes(contender.model.manifest)
    figures: dict[str, Any] = {
        "bytes": n_bytes,
        "share": n_bytes / bench.n_bytes,
        "load_ms": round(1e3 * loaded, 3),
        "latency_ms": round(cpu_ms(contender.model.scorer, people), 4),
        METRIC: ml.summarize(outcome, bench.window.setting)[METRIC].as_dict(),
    }
    if variant.name != Variant.ORIGINAL:
        figures |= _beside(outcome, bench.outcome)
    return _save(variant, state=Variant.State.READY, error="", figures=figures)


def _beside(outcome: Outcome, original: Outcome) -> dict[str, Any]:
    """Return the paired difference to the original and the overlap of the lists, by user."""
    shared = overlap(outcome.lists[:, : ml.K], original.lists[:, : ml.K])
    by_user = per_user_mean(shared, outcome.user_of)
    (interval,) = bootstrap_means(by_user[:, None], SEED)
    difference = ml.compare(outcome, original, SEED)[METRIC]
    return {"difference": difference.as_dict(), "overlap": interval.as_dict()}


def _save(variant: Variant, **facts: Any) -> Variant:
    """Write the row whole; a second try of the same name replaces it."""
    for name in ("path", "manifest_sha256", "size_bytes"):
        facts[name] = getattr(variant, name)
    facts["measured_at"] = clock.now()
    row, _ = Variant.objects.update_or_create(
        version=variant.version, name=variant.name, defaults=facts
    )
    return row
