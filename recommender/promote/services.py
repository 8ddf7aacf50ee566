"""Register versions, decide which one is live, and undo it. One transaction per switch."""

from pathlib import Path

from recommender.catalog.models import Catalog
from recommender.evaluate.models import Evaluation
from recommender.ml.artifact import Manifest
from recommender.promote.models import ModelVersion, Promotion
from recommender.train.models import TrainingRun


def register(*, run: TrainingRun, folder: Path, manifest: Manifest) -> ModelVersion:
    """Write the version row of a finished artifact, with the catalog's next number."""
    raise NotImplementedError


def consider(
    *, version: ModelVersion, evaluation: Evaluation, run: TrainingRun | None = None
) -> Promotion:
    """Let the gate decide: the version goes live, or is kept back with the reasons in words."""
    raise NotImplementedError


def promote(*, version: ModelVersion, actor: str, reason: str, force: bool = False) -> Promotion:
    """Make a version live and retire the one before, in one transaction.

    Raises: Refused when it is live already, its artifact is broken, somebody else switched at the
        same moment, or the gate kept it back and `force` is not given.
    """
    raise NotImplementedError


def roll_back(
    *, catalog: Catalog, actor: str, reason: str, to: ModelVersion | None = None
) -> Promotion:
    """Make the version before the live one live again, skipping broken ones; or the named one."""
    raise NotImplementedError


def discard(*, version: ModelVersion, actor: str, reason: str) -> Promotion:
    """Set a candidate aside for good. Raises: Refused when it is live."""
    raise NotImplementedError
