"""Write the trials of a search: one row each, under the run's lease."""

from django.db.models import F
from django.db.models.functions import Greatest

from recommender.train.lease import Lease, holding, write
from recommender.train.models import Search, TrainingRun, Trial

TRIALS_DONE = 0.85  # share of the bar; the rest is the report


def add_trial(*, lease: Lease, trial: Trial, spent_s: float) -> None:
    """Keep a trial that is over, and the time it took, in one transaction. Raises: LeaseLost."""
    with holding(lease):
        trial.save(force_insert=True)
        write(lease=lease, epoch=trial.number)
        note_spent(lease=lease, search=trial.search, spent_s=spent_s)


def note_spent(*, lease: Lease, search: Search, spent_s: float) -> None:
    """Keep how much of the budget is spent, which never falls. Raises: LeaseLost."""
    share = max(spent_s / search.budget_s, search.trials.count() / search.max_trials)
    with holding(lease):
        Search.objects.filter(pk=search.pk).update(spent_s=Greatest(F("spent_s"), float(spent_s)))
        write(
            lease=lease,
            state=TrainingRun.State.TRAINING,
            eta_s=max(0.0, search.budget_s - spent_s),
            progress=Greatest(F("progress"), TRIALS_DONE * min(1.0, share)),
        )
