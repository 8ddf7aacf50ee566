"""The torch side of a run: open the snapshot, fit the model, write the artifact.

Only the loop imports this module. The web process and the worker's parent never do: torch in a
process that forks makes its children hang.
"""

import math
import os
import resource
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from recommender.ml.artifact import WEIGHTS, Manifest
from recommender.ml.interactions import Interactions
from recommender.ml.models.base import EpochRecord, ExportContext, Recommender, WarmStart
from recommender.ml.progress import TrainingError
from recommender.ml.split import time_quantile
from recommender.ml.teaching import Teacher
from recommender.prepare.models import Snapshot
from recommender.prepare.services import OpenSnapshot, open_snapshot
from recommender.train.failpoints import hit
from recommender.train.lease import Heart, add_epoch, add_log, advance
from recommender.train.models import TrainingRun

VALIDATION_SHARE = 0.05  # of the training window, its newest part: steers early stopping
LOADED, TRAINED = 0.05, 0.85  # shares of the bar


@dataclass(frozen=True)
class Windows:
    """The training window, cut in two. What comes after is the test, and is not looked at here."""

    train: Interactions
    validation: Interactions | None


def fit(
    *,
    run: TrainingRun,
    snapshot: Snapshot,
    heart: Heart,
    folder: Path,
    teacher: Teacher | None = None,
) -> Manifest:
    """Train the run's model on the snapshot and write the artifact to `folder`.

    Raises: Cancelled or LeaseLost between two batches; TrainingError with what to change.
    """
    give_way()
    hit("load.before")
    opened = open_snapshot(snapshot)
    hit("load.opened")
    windows = cut(opened)
    hit("load.split")
    advance(lease=heart.lease, state=TrainingRun.State.TRAINING, progress=LOADED)
    model = build(run.model, run.config)
    if teacher is not None:
        model.learn_from(teacher)
        add_log(lease=heart.lease, line=f"Learning from {run.teacher} as well.")
    best = _train(model, run=run, opened=opened, windows=windows, heart=heart)
    heart.check()
    hit("write.before")
    manifest = model.export(
        folder,
        ExportContext(
            item_ids=opened.item_ids,
            user_ids=opened.user_ids,
            snapshot_sha256=opened.sha256,
            trained_to=opened.split_at,
            extra={
                "run": run.pk,
                "seed": run.seed,
                "mode": run.mode,
                "teacher": run.teacher_id,
                "feature_spec": opened.features.as_dict(),
                "rating_scale": list(opened.interactions.rating_scale),
            },
            metrics={"validation_ndcg@10": best},
        ),
    )
    hit("write.renamed")
    return manifest


def cpu_s() -> float:
    """Return the CPU seconds of this process, all threads, and of its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def cut(opened: OpenSnapshot) -> Windows:
    """Take the newest 5 % of the training window for validation, where enough remains."""
    known = opened.interactions.before(opened.split_at)
    if not (known.weight > 0).any():
        return Windows(known, None)
    later_from = time_quantile(known, VALIDATION_SHARE)
    earlier, later = known.before(later_from), known.since(later_from)
    if not (earlier.weight > 0).any():
        return Windows(known, None)
    return Windows(earlier, later)


def build(name: str, config: Mapping[str, Any]) -> Recommender:
    """Make an untrained model of a recipe; what `config` leaves out stays at its default."""
    from recommender.ml.models import MODELS  # brings torch

    model = MODELS[name]
    return model(
        model.Config(**config),
        threads=settings.TRAIN_THREADS,
        device=device_for(settings.TRAIN_DEVICE),
    )


def _train(
    model: Recommender, *, run: TrainingRun, opened: OpenSnapshot, windows: Windows, heart: Heart
) -> float | None:
    """Fit, noting each epoch in the row; returns the best validation NDCG@10 seen."""
    start = _start(run, opened)
    hit("train.before")
    started, best = time.monotonic(), None
    for record in model.fit(
        windows.train,
        validation=windows.validation,
        seed=run.seed,
        start=start,
        should_stop=heart.should_stop,
    ):
        hit("train.epoch_done")
        heart.check()
        spent = time.monotonic() - started
        best = max(filter(None, (best, record.validation)), default=None)
        add_epoch(
            lease=heart.lease,
            record=as_row(record, spent_s=spent),
            progress=LOADED + (TRAINED - LOADED) * record.epoch / record.epochs,
        )
        hit("train.epoch_noted")
    add_log(lease=heart.lease, line=f"Trained {run.model} in {time.monotonic() - started:.1f} s.")
    hit("train.done")
    return best


def _start(run: TrainingRun, opened: OpenSnapshot) -> WarmStart | None:
    """Return where to begin: the base version's weights, if its kind of model has any."""
    base = run.base_version
    if base is None or not (Path(base.original_path) / WEIGHTS).exists():
        return None
    return WarmStart(Path(base.original_path), opened.item_ids)


def as_row(record: EpochRecord, *, spent_s: float) -> dict[str, Any]:
    """Return one epoch as plain JSON, with the time left if the epochs go on like this."""
    left = spent_s / record.epoch * (record.epochs - record.epoch)
    figures = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(record).items()
    }
    return {
        **figures,
        "spent_s": round(spent_s, 3),
        "eta_s": round(left, 1),
        "at": datetime.now(UTC).isoformat(),
    }


def device_for(wanted: str) -> str:
    """Return the torch device to train on; "auto" takes a GPU when there is one.

    Raises: TrainingError when torch does not have the device that was asked for.
    """
    import torch

    found = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "auto":
        return found
    if wanted == "cpu" or (wanted.split(":")[0] == "cuda" and found == "cuda"):
        return wanted
    raise TrainingError(
        f"TRAIN_DEVICE is {wanted!r}, and torch finds no such device here; set it to auto or cpu"
    )


def give_way() -> None:
    """Leave the cores to the web server: few threads, no busy waiting."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read once, when torch is loaded
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.TRAIN_THREADS))
    import torch

    torch.set_num_threads(settings.TRAIN_THREADS)
