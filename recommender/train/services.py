"""Ask for a run, own it under a lease with a fence, and tell how it went. Knows no torch."""

from dataclasses import dataclass
from typing import Any

from recommender.catalog.models import Catalog
from recommender.errors import RecommenderError, Refused
from recommender.train.models import TrainingRun


class AlreadyActive(Refused):
    """Another run of the catalog is queued or at work; `run_id` names it."""

    def __init__(self, run_id: int) -> None:
        """Name the active run."""
        super().__init__(
            f"Run {run_id} is already queued or at work for this catalog; "
            "watch it, or stop it before you start another."
        )
        self.run_id = run_id


class LeaseLost(RecommenderError):
    """Another worker owns the run by now: stop, and write nothing."""


@dataclass(frozen=True)
class Lease:
    """The right to write one run, as long as the row still has this fence."""

    run_id: int
    fence: int
    owner: str


def request_run(  # noqa: PLR0913 - what an operator may choose, as the API names it
    *,
    catalog: Catalog,
    model: str | None = None,
    mode: str = "full",
    trigger: str = "operator",
    requested_by: str = "",
    config: dict[str, Any] | None = None,
) -> TrainingRun:
    """Queue a run of the catalog's default model, or of the named one.

    Raises: AlreadyActive naming the active run; BadData for an unknown model, mode or option;
        Refused when mode is incremental and no live version of the same model exists.
    """
    raise NotImplementedError


def retry_run(*, run: TrainingRun, requested_by: str = "") -> TrainingRun:
    """Queue a new run with the parameters of a finished one. Raises: AlreadyActive, Refused."""
    raise NotImplementedError


def cancel_run(*, run: TrainingRun) -> TrainingRun:
    """Stop a run: at once when queued, within three seconds at work. Raises: Refused when over."""
    raise NotImplementedError
