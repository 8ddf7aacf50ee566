"""Read versions, what was measured of them, and every switch between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from recommender.catalog.models import Catalog
from recommender.dashboard.queries_traffic import Rate
from recommender.errors import Missing
from recommender.evaluate.models import Evaluation
from recommender.ml.artifact import ArtifactError, read_chances, read_manifest
from recommender.ml.chances import ChanceModel
from recommender.promote.models import ModelVersion, Promotion
from recommender.train.models import TrainingRun

MOST_VERSIONS = 100  # the table's length; older versions stay reachable by address
SHOWN_METRICS = (
    "precision@10",
    "ndcg@10",
    "recall@10",
    "coverage@10",
    "gini@10",
    "novelty@10",
)


@dataclass(frozen=True)
class Figure:
    """A measured value with its 95 % interval; `low` and `high` are None for a census."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Measured:
    """One evaluation, as the panel reads it."""

    version_id: int
    at: datetime
    window_from: datetime
    window_to: datetime
    snapshot_id: int
    n_users: int
    n_events: int
    metrics: Mapping[str, Figure]
    baselines: Mapping[str, Mapping[str, Figure]]
    segments: Mapping[str, Mapping[str, Any]]
    paired: Mapping[str, Mapping[str, Any]]
    by_k: Mapping[str, Any]
    cold: Mapping[str, Any]  # new items and newcomers, as `evaluate` keeps them; {} if unmeasured


@dataclass(frozen=True)
class VersionRow:
    """One version with its newest evaluation and the run that made it."""

    version: ModelVersion
    measured: Measured | None
    run: TrainingRun | None
    clicks: Rate | None = None  # in the page's range; None when the page does not ask

    @property
    def label(self) -> str:
        """Return the name, such as `v12`."""
        return self.version.label

    @property
    def is_live(self) -> bool:
        """Tell whether this version answers requests now."""
        return self.version.state == ModelVersion.State.LIVE

    @property
    def is_kept_back(self) -> bool:
        """Tell whether the gate kept it from going live; a person may still promote it."""
        if self.version.state == ModelVersion.State.REJECTED:
            return True
        verdict = (self.run.verdict if self.run else None) or {}
        return verdict.get("is_better") is False

    @property
    def figures(self) -> list[Figure | None]:
        """Return the table's metrics in the order of SHOWN_METRICS."""
        return [self.figure(name) for name in SHOWN_METRICS]

    def figure(self, name: str) -> Figure | None:
        """Find one metric; `coverage` also answers for `coverage@10`, by name without its k."""
        if self.measured is None:
            return None
        found = self.measured.metrics.get(name)
        return found or self.measured.metrics.get(name.partition("@")[0])


@dataclass(frozen=True)
class Switch:
    """A moment when the live version changed."""

    at: datetime
    label: str
    version_id: int
    previous_id: int | None
    action: str
    actor: str


def chances_of(version: ModelVersion) -> tuple[ChanceModel, ...]:
    """Read how well a version's chances came true, from its manifest; none where it is refused."""
    try:
        return read_chances(read_manifest(Path(settings.ARTIFACTS_DIR) / version.path))
    except ArtifactError:  # the page says above what is wrong with it
        return ()


def read_figure(found: Any) -> Figure | None:
    """Read a stored metric: `{"value", "low", "high"}` or a bare number; None if missing."""
    if isinstance(found, Mapping):
        value = found.get("value")
        low, high = found.get("low"), found.get("high")
        return None if value is None else Figure(float(value), low, high)
    return None if found is None else Figure(float(found))


def read_figures(found: Mapping[str, Any]) -> dict[str, Figure]:
    """Read a table of stored metrics, leaving out what is undefined or no number."""
    is_number = {name: value for name, value in found.items() if not isinstance(value, str | list)}
    figures = {name: read_figure(value) for name, value in is_number.items()}
    return {name: figure for name, figure in figures.items() if figure is not None}


def versions(catalog: Catalog) -> list[VersionRow]:
    """List versions, newest first, at most MOST_VERSIONS. Three queries."""
    found = list(
        ModelVersion.objects.filter(catalog=catalog)
        .select_related("snapshot")
        .order_by("-number")[:MOST_VERSIONS]
    )
    measured = _newest_evaluations([version.pk for version in found])
    runs = TrainingRun.objects.filter(model_version__in=found).defer("log")
    by_version = {run.model_version_id: run for run in runs}
    return [
        VersionRow(version, measured.get(version.pk), by_version.get(version.pk))
        for version in found
    ]


def version_row(catalog: Catalog, number: int) -> VersionRow:
    """Find one version by its number. Three queries.

    Raises: Missing when the catalog has no such version.
    """
    version = (
        ModelVersion.objects.filter(catalog=catalog, number=number)
        .select_related("snapshot")
        .first()
    )
    if version is None:
        raise Missing(f"{catalog.slug} has no version v{number}; see the list of models.")
    run = TrainingRun.objects.filter(model_version=version).first()
    return VersionRow(version, _newest_evaluations([version.pk]).get(version.pk), run)


def teachers(catalog: Catalog) -> list[ModelVersion]:
    """List what another model can learn from, newest first, at most MOST_VERSIONS. One query."""
    whole = ModelVersion.objects.filter(catalog=catalog, broken_reason="")
    return list(whole.order_by("-number")[:MOST_VERSIONS])


def with_clicks(rows: Sequence[VersionRow], rates: Sequence[Rate]) -> list[VersionRow]:
    """Put each version's click rate beside it."""
    by_version = {rate.version_id: rate for rate in rates}
    return [replace(row, clicks=by_version.get(row.version.pk)) for row in rows]


def live_version(catalog: Catalog) -> ModelVersion | None:
    """Find what serves now. One query."""
    return ModelVersion.objects.filter(catalog=catalog).live().first()


def _newest_evaluations(version_ids: list[int]) -> dict[int, Measured]:
    rows = Evaluation.objects.filter(model_version__in=version_ids).order_by("id")
    return {row.model_version_id: _measured(row) for row in rows}


def _measured(row: Evaluation) -> Measured:
    return Measured(
        version_id=row.model_version_id,
        at=row.created_at,
        window_from=row.window_from,
        window_to=row.window_to,
        snapshot_id=row.snapshot_id,
        n_users=row.n_users,
        n_events=row.n_events,
        metrics=read_figures(row.metrics),
        baselines={name: read_figures(table) for name, table in row.baselines.items()},
        segments=row.segments,
        paired=row.paired,
        by_k=row.by_k,
        cold=row.cold,
    )


def switches(catalog: Catalog, since: datetime) -> list[Switch]:
    """List promotions and rollbacks since a moment, oldest first. One query."""
    moves = [Promotion.Action.PROMOTE, Promotion.Action.ROLL_BACK]
    rows = (
        Promotion.objects.filter(catalog=catalog, action__in=moves, created_at__gte=since)
        .select_related("version")
        .order_by("created_at", "id")
    )
    return [
        Switch(
            at=row.created_at,
            label=row.version.label,
            version_id=row.version_id,
            previous_id=row.previous_id,
            action=row.action,
            actor=row.actor,
        )
        for row in rows
    ]


def decisions(catalog: Catalog, *, most: int = 200) -> list[Promotion]:
    """List decisions of the gate and of people, newest first. One query."""
    rows = Promotion.objects.filter(catalog=catalog).select_related("version", "previous")
    return list(rows.order_by("-id")[:most])


def decisions_about(version: ModelVersion) -> list[Promotion]:
    """List the decisions that name one version, newest first. One query."""
    rows = Promotion.objects.filter(version=version).select_related("version", "previous")
    return list(rows.order_by("-id"))
