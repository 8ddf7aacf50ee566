"""Read searches for settings and their trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.catalog.models import Catalog
from recommender.errors import Missing
from recommender.ml.recipes import RECIPES
from recommender.ml.search_space import SPACES, Knob
from recommender.train.models import Search, SettingsChange, TrainingRun, Trial


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
    def ranked(self) -> list[tuple[Trial, list[Any]]]:
        """Order the rows by value, the best first; what has none comes last, in order."""
        return sorted(self.rows, key=lambda row: _rank(row[0]))

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


@dataclass(frozen=True)
class ChangeRow:
    """One change of a model's settings, as the page lists it."""

    change: SettingsChange
    lines: Sequence[tuple[str, Any, Any]]  # setting, before, after; defaults are written out
    holds: bool  # the newest of its model, which alone can be undone


def settings_changes(catalog: Catalog, *, most: int = 100) -> list[ChangeRow]:
    """List what a catalog's models train with by decision, newest change first. One query."""
    seen: set[str] = set()
    rows = []
    for change in catalog.settings_changes.order_by("-pk")[:most]:
        rows.append(ChangeRow(change, _lines(change), change.model not in seen))
        seen.add(change.model)
    return rows


def _lines(change: SettingsChange) -> list[tuple[str, Any, Any]]:
    defaults = RECIPES[change.model].defaults if change.model in RECIPES else {}
    before, after = {**defaults, **change.before}, {**defaults, **change.after}
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [(name, before.get(name), after.get(name)) for name in names]


def _rank(trial: Trial) -> tuple[bool, float, int]:
    return trial.value is None, -(trial.value or 0.0), trial.number


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
    best = min(finished, key=_rank, default=None)
    first = next((trial for trial in finished if trial.number == 1), None)
    return SearchCard(run, run.search, trials, best, first, SPACES.get(run.model, {}))
