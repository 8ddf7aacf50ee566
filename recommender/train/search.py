"""Search better settings of a model: train many times, judge each on a later window, keep rows.

Trials learn from the older part of the training window and are judged on its newest part. What
comes after `split_at` is the third window: it is cut away here before anything is looked at, and
`evaluate/third.py` reads it once, when the search is over. That is needed, since the best of many
trials on one window is also the luckiest on it.

Only the loop imports this module: it brings torch and Optuna.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from django.utils.translation import gettext as _

from recommender.errors import NotReady
from recommender.ml.interactions import Interactions
from recommender.ml.models.base import Recommender
from recommender.ml.progress import TrainingError
from recommender.ml.recipes import RECIPES
from recommender.ml.search_space import SPACES
from recommender.ml.split import time_quantile
from recommender.ml.tuning import Outcome, Proposal, Tried, propose
from recommender.ml.validation import Watched, judge, watch
from recommender.prepare.services import OpenSnapshot
from recommender.train.failpoints import hit
from recommender.train.fit import build, cut, give_way
from recommender.train.lease import Heart, add_log
from recommender.train.models import Search, TrainingRun, Trial
from recommender.train.trials import add_trial, note_spent

JUDGED_SHARE = 0.15  # of the training window; early stopping alone gets by with 5 %
BREAKS = (TrainingError, ValueError, ArithmeticError)  # what bad settings end in

Clock = Callable[[], float]


@dataclass(frozen=True)
class Task:
    """What every trial of one search shares."""

    run: TrainingRun
    search: Search
    train: Interactions
    later: Interactions
    watched: Watched


class Stopwatch:
    """Count working time against a budget, on top of what earlier tries spent."""

    def __init__(self, search: Search, clock: Clock) -> None:
        """Start to count now."""
        self._clock, self._began = clock, clock()
        self._before, self._budget = search.spent_s, search.budget_s

    @property
    def spent_s(self) -> float:
        """Return the working time of the whole search."""
        return self._before + self._clock() - self._began

    def is_over(self) -> bool:
        """Say whether the budget is spent."""
        return self.spent_s >= self._budget


class Brake:
    """Tell a trainer to stop between two batches, and remember having said so."""

    def __init__(self, heart: Heart, watch: Stopwatch) -> None:
        """Listen to the operator and to the clock."""
        self._heart, self._watch = heart, watch
        self.is_pulled = False

    def __call__(self) -> bool:
        """Say whether to stop."""
        self.is_pulled = self.is_pulled or self._heart.should_stop() or self._watch.is_over()
        return self.is_pulled


def search(
    *, run: TrainingRun, opened: OpenSnapshot, heart: Heart, clock: Clock = time.monotonic
) -> Trial:
    """Try settings until the budget is spent, and return the best trial; the defaults come first.

    Finished trials are rows: after a kill the search goes on behind them. A trial that the end of
    the budget cuts off is dropped. Costs the budget, and the rest of a batch.

    Raises: Cancelled or LeaseLost between two batches; NotReady when nothing can be judged or not
        even the defaults were tried in time; TrainingError when the defaults cannot be trained.
    """
    give_way()
    task = _task(run, opened)
    stopwatch = Stopwatch(task.search, clock)
    hit("search.before")
    while task.search.trials.count() < task.search.max_trials and not stopwatch.is_over():
        past = _past(task.search)
        proposal = propose(SPACES[run.model], RECIPES[run.model].defaults, past, run.seed)
        if proposal is None:
            add_log(lease=heart.lease, line="Nothing new is left to try.")
            break
        trial = _try(task, proposal, heart, stopwatch)
        heart.check()
        if trial is None:
            note_spent(lease=heart.lease, search=task.search, spent_s=stopwatch.spent_s)
            break
        hit("search.trial_done")
        add_trial(lease=heart.lease, trial=trial, spent_s=stopwatch.spent_s)
        hit("search.trial_noted")
        add_log(lease=heart.lease, line=_line(trial))
    hit("search.trials_over")
    return _best(task.search)


def refit(*, run: TrainingRun, opened: OpenSnapshot, trial: Trial, heart: Heart) -> Recommender:
    """Train with a trial's settings as a normal run would, on the whole training window."""
    windows = cut(opened)
    model = build(run.model, trial.settings)
    for _record in model.fit(
        windows.train,
        validation=windows.validation,
        seed=run.seed,
        should_stop=heart.should_stop,
    ):
        heart.check()
    heart.check()
    hit("search.refitted")
    return model


def _task(run: TrainingRun, opened: OpenSnapshot) -> Task:
    known = opened.interactions.before(opened.split_at)
    later_from = time_quantile(known, JUDGED_SHARE)
    train, later = known.before(later_from), known.since(later_from)
    watched = watch(train, later, run.seed) if (train.weight > 0).any() else None
    if watched is None:
        raise NotReady(
            _(
                "Nobody took anything new in the validation window; "
                "collect more events before searching."
            )
        )
    run.search.n_judged = watched.cases.n_users
    run.search.save(update_fields=["n_judged"])
    return Task(run, run.search, train, later, watched)


def _past(search: Search) -> list[Tried]:
    return [
        Tried(trial.settings, cast("Outcome", trial.outcome), trial.value, tuple(trial.by_epoch))
        for trial in search.trials.in_order()
    ]


def _try(task: Task, proposal: Proposal, heart: Heart, stopwatch: Stopwatch) -> Trial | None:
    """Train once and judge; None when it was cut off."""
    began = stopwatch.spent_s
    trial = Trial(
        search=task.search,
        number=task.search.trials.count() + 1,
        settings=proposal.settings,
        outcome=Trial.Outcome.FINISHED,
    )
    try:
        model = _train(task, trial, proposal, heart, stopwatch)
        if model is None:
            return None
        if trial.outcome == Trial.Outcome.FINISHED:
            _loss, trial.value = judge(model.scorer().score, task.watched)
            if trial.value is None or trial.value != trial.value:
                raise TrainingError("its scores are NaN")
    except BREAKS as error:
        if trial.number == 1:
            raise
        trial.outcome, trial.value, trial.error = Trial.Outcome.FAILED, None, str(error)
    trial.spent_s = stopwatch.spent_s - began
    return trial


def _train(
    task: Task, trial: Trial, proposal: Proposal, heart: Heart, stopwatch: Stopwatch
) -> Recommender | None:
    """Fit, and note each epoch; None when the operator or the clock cut it off."""
    brake = Brake(heart, stopwatch)
    model = build(task.run.model, proposal.settings)
    is_whole = False
    for record in model.fit(
        task.train, validation=task.later, seed=task.run.seed, should_stop=brake
    ):
        hit("search.epoch_done")
        heart.check()
        note_spent(lease=heart.lease, search=task.search, spent_s=stopwatch.spent_s)
        trial.by_epoch.append(record.validation)
        is_whole = record.epoch == record.epochs
        if is_whole or record.validation is None:
            continue
        if proposal.is_hopeless(record.epoch, record.validation):
            trial.outcome = Trial.Outcome.PRUNED
            return model
    return model if is_whole or not brake.is_pulled else None


def _best(search: Search) -> Trial:
    best = search.trials.best()
    if best is None:
        raise NotReady(
            _(
                "Not even one training ended within %(minutes)d min; "
                "give more minutes, or search a faster model."
            )
            % {"minutes": search.budget_s // 60}
        )
    return best


def _line(trial: Trial) -> str:
    name = f"Trial {trial.number} {trial.outcome}"
    value = "" if trial.value is None else f", NDCG@10 {trial.value:.4f}"
    error = f": {trial.error}" if trial.error else ""
    return f"{name} in {trial.spent_s:.1f} s{value}{error}"
