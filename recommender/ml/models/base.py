"""The one contract of all models: fit epoch by epoch, score, export."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from recommender.ml.artifact import (
    Array,
    Manifest,
    Payload,
    Weights,
    load_weights,
    rating_payload,
    save_artifact,
)
from recommender.ml.assemble import build_scorer
from recommender.ml.chances import ChanceModel, fit_chances
from recommender.ml.evaluation import RATING, decayed_popularity, histories_of
from recommender.ml.interactions import FloatArray, IntArray, Interactions
from recommender.ml.progress import EpochRecord, TrainingError
from recommender.ml.ratings import RatingModel, Ratings, fit_rating_model
from recommender.ml.scoring import Scorer
from recommender.ml.teaching import Teacher
from recommender.ml.validation import judge, watch

__all__ = [
    "EpochRecord",
    "Export",
    "ExportContext",
    "FitOptions",
    "NotFittedError",
    "Recommender",
    "TrainingError",
    "WarmStart",
    "never",
    "open_start",
]


class NotFittedError(Exception):
    """Say that a model was asked for something that only training gives."""


@dataclass(frozen=True)
class WarmStart:
    """Name the artifact to begin from, and whose items the new data's numbers are."""

    folder: Path
    item_ids: IntArray  # (M+1,) database keys of the new data's items


@dataclass(frozen=True)
class ExportContext:
    """Carry what only the caller knows about a trained model."""

    item_ids: IntArray  # (M+1,) database keys, [0] = 0
    user_ids: IntArray  # (U+1,)
    snapshot_sha256: str
    trained_to: int  # seconds since 1970
    extra: Mapping[str, Any] = field(default_factory=dict)  # plain JSON values
    metrics: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class FitOptions:
    """Hold what a fit needs besides data and config."""

    validation: Interactions | None
    seed: int
    start: WarmStart | None
    should_stop: Callable[[], bool]


@dataclass(frozen=True)
class Export:
    """Hold what one kind of model stores besides what all store."""

    kind: str  # of scorer
    scoring: dict[str, float]
    arrays: dict[str, Array]
    raw: dict[str, bytes] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)  # of a blend: name → kind of scorer


def open_start(start: WarmStart, model: str) -> Weights:
    """Read the weights to begin from. Raises: TrainingError when another model wrote them."""
    weights = load_weights(start.folder)
    if weights.manifest.model != model:
        found = weights.manifest.model
        raise TrainingError(f"{model} cannot start from a {found} model; start from scratch")
    return weights


def never() -> bool:
    """Never ask to stop."""
    return False


class Recommender(ABC):
    """Learn from interactions; usable after each epoch.

    A subclass gives `name`, a frozen `Config`, `_epochs` (the training) and `_export` (its arrays).
    """

    name: ClassVar[str]
    Config: ClassVar[type[Any]]

    def __init__(self, config: Any = None, *, threads: int = 1, device: str = "cpu") -> None:
        """Take a `Config` of this class (None: its defaults) and what to compute on.

        Args:
            config: how to learn.
            threads: of the CPU.
            device: a torch device, for models of torch; "cuda" trains in mixed precision. What is
                exported always runs on a CPU.
        """
        self.config = self.Config() if config is None else config
        if not isinstance(self.config, self.Config):
            found = type(self.config).__qualname__
            raise TypeError(f"config is {found}; {self.name} takes {self.Config.__qualname__}")
        self.threads = threads
        self.device = device
        self.rating: RatingModel | None = None
        self.chances: tuple[ChanceModel, ...] = ()
        self._data: Interactions | None = None
        self._popularity: FloatArray | None = None

    def fit(
        self,
        data: Interactions,
        *,
        validation: Interactions | None = None,
        seed: int = 1,
        start: WarmStart | None = None,
        should_stop: Callable[[], bool] = never,
    ) -> Iterator[EpochRecord]:
        """Train and yield a record per epoch; nothing happens until the first is asked for.

        Args:
            data: what to learn from.
            validation: a later window of the same users and items, never trained on: it gives the
                validation columns, early stopping, and the models of ratings and chances. None: all
                epochs run.
            seed: same seed, data, config and threads: same weights.
            start: an earlier artifact of this model to begin from; other models refuse it.
            should_stop: asked before every batch; True ends training with the best epoch so far.
        Raises: TrainingError when there is nothing to learn from or the weights become NaN.
        """
        if not (data.weight > 0).any():
            raise TrainingError("no positive events to learn from; collect or import some first")
        self._data = data
        self._popularity = decayed_popularity(data).astype(np.float32)
        yield from self._epochs(data, FitOptions(validation, seed, start, should_stop))
        self._check_finite()
        if validation is not None and not should_stop():
            scorer = self.scorer()  # of a tower it costs an export: once
            self.rating = _fit_rating(data, validation, scorer)
            if len(validation):
                self.chances = fit_chances(data, validation, scorer, seed)

    def learn_from(self, teacher: Teacher) -> None:
        """Let training match a teacher's lists besides the events; call it before `fit`.

        Raises: TrainingError for a model that cannot.
        """
        del teacher
        raise TrainingError(f"{self.name} cannot learn from a teacher; train it without one")

    def scorer(self) -> Scorer:
        """Return a scorer of the present state, built as `load_model` would build it."""
        export = self._export(self._fitted())
        manifest = self._manifest(export, None)
        return build_scorer(manifest, {**self._shared(), **export.arrays}, export.raw)

    def exported(self) -> Export:
        """Return what a scorer is built from, for a model that blends this one in."""
        return self._export(self._fitted())

    def export(self, folder: Path, context: ExportContext) -> Manifest:
        """Write the artifact; `folder` must not exist yet."""
        data = self._fitted()
        _check_ids("item_ids", context.item_ids, data.n_items)
        _check_ids("user_ids", context.user_ids, data.n_users)
        export = self._export(data)
        ids = {
            "item_ids": np.asarray(context.item_ids, np.int64),
            "user_ids": np.asarray(context.user_ids, np.int64),
        }
        _, rating_arrays = rating_payload(self.rating)
        arrays = {**ids, **self._shared(), **export.arrays, **rating_arrays}
        return save_artifact(
            folder, self._manifest(export, context), Payload(arrays=arrays, raw=export.raw)
        )

    @abstractmethod
    def _epochs(self, data: Interactions, options: FitOptions) -> Iterator[EpochRecord]:
        """Train and yield after each epoch."""

    @abstractmethod
    def _export(self, data: Interactions) -> Export:
        """Return the arrays a scorer needs."""

    def _single_record(
        self, data: Interactions, options: FitOptions, spent_s: float
    ) -> EpochRecord:
        """Report a model that learns in one pass; it minimizes no loss, so there is none."""
        watched = watch(data, options.validation, options.seed)
        loss, ndcg = judge(self.scorer().score, watched)
        return EpochRecord(1, 1, None, loss, ndcg, len(data) / max(spent_s, 1e-9))

    def _fitted(self) -> Interactions:
        if self._data is None:
            raise NotFittedError(f"{self.name} has learned nothing yet; run fit first")
        return self._data

    def _shared(self) -> dict[str, Array]:
        if self._popularity is None:
            raise NotFittedError(f"{self.name} has learned nothing yet; run fit first")
        return {"popularity": self._popularity}

    def _check_finite(self) -> None:
        for name, array in {**self._shared(), **self._finite_arrays()}.items():
            if not np.isfinite(array).all():
                reason = "lower learning_rate, or look for absurd values in the data"
                raise TrainingError(f"{name} of {self.name} holds NaN or infinity; {reason}")

    def _finite_arrays(self) -> Mapping[str, Array]:
        """Return what must be finite once training ends."""
        return {}

    def _manifest(self, export: Export, context: ExportContext | None) -> Manifest:
        data = self._fitted()
        libraries = ("numpy", "scipy", "torch", "onnxruntime", "safetensors")
        return Manifest(
            model=self.name,
            kind=export.kind,
            config=asdict(self.config),
            n_items=data.n_items,
            n_users=data.n_users,
            snapshot_sha256=context.snapshot_sha256 if context else "",
            trained_to=int(context.trained_to) if context else 0,
            scoring=export.scoring,
            user_feature_names=data.user_feature_names,
            item_feature_names=data.item_feature_names,
            rating=rating_payload(self.rating)[0],
            metrics=dict(context.metrics) if context else {},
            extra=dict(context.extra) if context else {},
            members=export.members,
            chances=[model.as_dict() for model in self.chances],
            library_versions={library: version(library) for library in libraries},
        )


def _fit_rating(data: Interactions, validation: Interactions, scorer: Scorer) -> RatingModel | None:
    train, later = _ratings(data), _ratings(validation)
    if not len(train.user) or not len(later.user):
        return None
    users = np.unique(later.user).tolist()
    histories = dict(zip(users, histories_of(data, np.array(users)), strict=True))
    return fit_rating_model(train, later, histories, scorer)


def _ratings(data: Interactions) -> Ratings:
    """Return all ratings, low ones too: they say most about an item's level."""
    kind = data.kinds.index(RATING) if RATING in data.kinds else -1
    rows = (data.kind == kind) & np.isfinite(data.value)
    return Ratings(data.user[rows], data.item[rows], data.value[rows].astype(np.float64))


def _check_ids(name: str, ids: IntArray, n: int) -> None:
    if ids.shape != (n + 1,):
        raise ValueError(f"{name} has shape {ids.shape}; expected ({n + 1},), [0] = 0")
