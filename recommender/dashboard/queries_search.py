"""Read searches for settings and their trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.errors import Missing
from recommender.ml.search_space import SPACES, Knob
from recommender.train.models import Search, TrainingRun, Trial


@dataclass(frozen=True)
class SearchCard:
    """A search and what the page says about it."""

    run: TrainingRun
    search: Search
    trials: Sequence[Trial]  # in order
    best: Trial | None
    first: Trial | None  # the defaults, once they have a value
    space: Mapping[str, Knob]

    @property
    def rows(self) -> list[tuple[Trial, list[Any]]]:
        """Pair each trial with its settings, in the order of the space."""
        return [(t, [t.settings.get(name) for name in self.space]) for t in self.trials]

    @property
    def history(self) -> list[dict[str, Any]]:
        """Return one plain row a trial, as the page's script draws it."""
        rows: list[dict[str, Any]] = []
        best: float | None = None
        for trial in self.trials:
            if trial.value is not None:
                best = max(trial.value, best) if best is not None else trial.value
            rows.append(
                {
                    "epoch": trial.number,
                    "validation": trial.value,
                    "pruned": last_of(trial) if trial.outcome == "pruned" else None,
                    "best_so_far": best,
                }
            )
        return rows


def last_of(trial: Trial) -> float | None:
    """Return what a trial reached when it was stopped."""
    known = [value for value in trial.by_epoch if value is not None]
    return known[-1] if known else None


def search_card(run: TrainingRun) -> SearchCard:
    """Read a search with all its trials. Two queries.

    Raises: Missing when the run is a training.
    """
    if run.mode != TrainingRun.Mode.SEARCH:
        raise Missing(f"Run {run.pk} is a training, not a search; see its page.")
    trials = list(run.search.trials.in_order())
    finished = [trial for trial in trials if trial.value is not None]
    best = min(finished, key=lambda t: (-(t.value or 0.0), t.number), default=None)
    first = next((trial for trial in finished if trial.number == 1), None)
    return SearchCard(run, run.search, trials, best, first, SPACES.get(run.model, {}))
