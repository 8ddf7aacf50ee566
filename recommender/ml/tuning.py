"""Propose settings to try next, from what was tried: a tree-structured Parzen estimator.

Source: Bergstra et al. 2011 (NeurIPS), as Optuna implements it; a trial that is worse than half of
the others were at the same epoch is stopped early (Optuna's median rule). The study is built anew
from the past for each proposal, with a seed that depends on the trial's number alone: so the same
past gives the same proposal, whether or not the process died in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from recommender.ml.search_space import Choice, Knob, Settings, Space

STARTUP_TRIALS = 8  # drawn evenly before the estimator says anything
JUDGED_TRIALS = 4  # finished before any trial is stopped early
JUDGED_FROM = 3  # epoch; earlier ones say little
REDRAWS = 20  # of settings that were tried already
DIGITS = 3  # of a proposed number: more would only look exact

Outcome = Literal["finished", "pruned", "failed"]
_STATES = {
    "finished": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}
optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Tried:
    """One trial that is over."""

    settings: Settings
    outcome: Outcome
    value: float | None  # what is maximized; only finished trials have one
    by_epoch: tuple[float | None, ...] = ()


class Proposal:
    """Settings to try, and the judge of whether going on with them is worth it."""

    def __init__(self, settings: dict[str, Any], trial: Trial) -> None:
        """Keep the settings and the study's own trial."""
        self.settings = settings
        self._trial = trial

    def is_hopeless(self, epoch: int, value: float) -> bool:
        """Say whether half of the finished trials were better by this epoch; epochs count from 1.

        Call it once an epoch, in order.
        """
        self._trial.report(value, epoch)
        return bool(self._trial.should_prune())


def propose(space: Space, defaults: Settings, past: Sequence[Tried], seed: int) -> Proposal | None:
    """Return what to try next: the defaults first; None when nothing new was found to try.

    Args:
        space: what may vary; other fields are not part of a proposal.
        past: every trial so far, in order; what no longer fits the space is not learned from.
        seed: same seed and past: same proposal.
    """
    known = [tried.settings for tried in past]
    for redraw in range(REDRAWS):
        study = _study(space, past, seed=(seed * 1_000_003 + len(past) * REDRAWS + redraw) % 2**32)
        if not past:
            study.enqueue_trial({name: defaults[name] for name in space})
        trial = study.ask({name: _distribution(knob) for name, knob in space.items()})
        settings = {name: _rounded(trial.params[name], knob) for name, knob in space.items()}
        if settings not in known:
            return Proposal(settings, trial)
    return None


def _study(space: Space, past: Sequence[Tried], *, seed: int) -> optuna.Study:
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS),
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=JUDGED_TRIALS, n_warmup_steps=JUDGED_FROM
        ),
    )
    study.add_trials([_frozen(space, tried) for tried in past if _fits(space, tried.settings)])
    return study


def _frozen(space: Space, tried: Tried) -> FrozenTrial:
    return create_trial(
        state=_STATES[tried.outcome],
        value=tried.value if tried.outcome == "finished" else None,
        params={name: tried.settings[name] for name in space},
        distributions={name: _distribution(knob) for name, knob in space.items()},
        intermediate_values={
            epoch: value for epoch, value in enumerate(tried.by_epoch, 1) if value is not None
        },
    )


def _fits(space: Space, settings: Settings) -> bool:
    return all(name in settings and knob.holds(settings[name]) for name, knob in space.items())


def _distribution(knob: Knob) -> BaseDistribution:
    if isinstance(knob, Choice):
        return CategoricalDistribution(knob.values)
    if knob.is_whole:
        return IntDistribution(int(knob.low), int(knob.high), log=knob.is_log)
    return FloatDistribution(knob.low, knob.high, log=knob.is_log)


def _rounded(value: Any, knob: Knob) -> Any:
    """Round a proposed number, without leaving its range."""
    if isinstance(knob, Choice) or knob.is_whole:
        return value
    return min(max(float(f"{value:.{DIGITS}g}"), knob.low), knob.high)
