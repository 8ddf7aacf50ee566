"""Rows of `train`: one run, its lease and its loss history."""

from typing import ClassVar, Self

from django.db import models
from django.db.models import Q


class RunQuerySet(models.QuerySet["TrainingRun"]):
    """Questions about runs."""

    def active(self) -> Self:
        """Keep runs that are queued or at work."""
        return self.filter(state__in=TrainingRun.ACTIVE)

    def newest_first(self) -> Self:
        """Order by start of life, newest first."""
        return self.order_by("-id")


class TrainingRun(models.Model):
    """One training, from the request to the verdict; the row is the truth, not the broker."""

    class State(models.TextChoices):
        """Where the run is; `ready` and `rejected` both leave a version, `done` ends a search."""

        QUEUED = "queued"
        LOADING = "loading"
        TRAINING = "training"
        EVALUATING = "evaluating"
        GATE = "gate"
        READY = "ready"
        REJECTED = "rejected"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"
        LOST = "lost"

    ACTIVE = ("queued", "loading", "training", "evaluating", "gate", "lost")
    WORKING = ("loading", "training", "evaluating", "gate")
    WHOLE = ("ready", "rejected", "done")

    class Mode(models.TextChoices):
        """From scratch, warm from the live version, or many short ones to find better settings."""

        FULL = "full"
        INCREMENTAL = "incremental"
        SEARCH = "search"

    catalog = models.ForeignKey("recommender.Catalog", models.CASCADE, related_name="runs")
    model = models.CharField(max_length=32)
    config = models.JSONField(default=dict)
    mode = models.CharField(max_length=12, choices=Mode.choices, default=Mode.FULL)
    seed = models.BigIntegerField(default=1)
    trigger = models.CharField(max_length=40, default="operator")
    requested_by = models.CharField(max_length=150, blank=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.QUEUED)
    snapshot = models.ForeignKey("recommender.Snapshot", models.PROTECT, null=True)
    base_version = models.ForeignKey(
        "recommender.ModelVersion", models.SET_NULL, null=True, related_name="refreshes"
    )
    teacher = models.ForeignKey(  # whose lists the model learns to match besides the events
        "recommender.ModelVersion", models.SET_NULL, null=True, related_name="students"
    )
    model_version = models.OneToOneField(
        "recommender.ModelVersion", models.SET_NULL, null=True, related_name="run"
    )
    # Lease: a worker owns the run while `lease_expires_at` lies ahead and `fence` is its own.
    lease_owner = models.CharField(max_length=100, blank=True)
    lease_expires_at = models.DateTimeField(null=True)  # real time, not product time
    heartbeat_at = models.DateTimeField(null=True)  # real time
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    cancel_requested = models.BooleanField(default=False)
    # What the live card shows
    epoch = models.PositiveIntegerField(default=0)
    epochs = models.PositiveIntegerField(default=0)
    progress = models.FloatField(default=0.0)  # share, 0–1, never falls
    eta_s = models.FloatField(null=True)
    examples_per_s = models.FloatField(null=True)
    device = models.CharField(max_length=40, blank=True)
    history = models.JSONField(default=list)  # [{"epoch": 1, "loss": …, "validation": …}, …]
    metrics = models.JSONField(default=dict)
    verdict = models.JSONField(null=True)
    log = models.TextField(blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["catalog"],
                condition=Q(
                    state__in=["queued", "loading", "training", "evaluating", "gate", "lost"]
                ),
                name="one_active_run_per_catalog",
            )
        ]
        indexes: ClassVar = [models.Index(fields=["catalog", "-id"], name="run_by_catalog")]

    def __str__(self) -> str:
        """Name the run."""
        return f"run {self.pk}: {self.model}, {self.state}"


class Search(models.Model):
    """What belongs to a run of mode `search` alone: its budget, and its report once it is over."""

    run = models.OneToOneField(TrainingRun, models.CASCADE, related_name="search")
    budget_s = models.PositiveIntegerField()  # of working time for trials, over all resumes
    max_trials = models.PositiveIntegerField()
    spent_s = models.FloatField(default=0.0)
    n_judged = models.PositiveIntegerField(default=0)  # users of the validation window
    # {"trial": 4, "n_users": 166, "found": {interval}, "defaults": …, "difference": … or null}
    report = models.JSONField(null=True)

    def __str__(self) -> str:
        """Name the search."""
        return f"search of run {self.run_id}"


class TrialQuerySet(models.QuerySet["Trial"]):
    """Questions about trials."""

    def in_order(self) -> Self:
        """Order as they were made."""
        return self.order_by("number")

    def best(self) -> "Trial | None":
        """Find the finished one with the highest value, the first of equals. One query."""
        return self.exclude(value=None).order_by("-value", "number").first()


class Trial(models.Model):
    """One training inside a search that is over; one that was killed leaves no row."""

    class Outcome(models.TextChoices):
        """How it ended; only a finished one has a value."""

        FINISHED = "finished"
        PRUNED = "pruned"
        FAILED = "failed"

    search = models.ForeignKey(Search, models.CASCADE, related_name="trials")
    number = models.PositiveIntegerField()  # 1 = the model's defaults
    settings = models.JSONField()
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    value = models.FloatField(null=True)  # NDCG@10 on the validation window
    by_epoch = models.JSONField(default=list)
    spent_s = models.FloatField()
    error = models.TextField(blank=True)

    objects = TrialQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["search", "number"], name="one_trial_per_number")
        ]

    def __str__(self) -> str:
        """Name the trial."""
        return f"trial {self.number}: {self.outcome}"


class SettingsChange(models.Model):
    """One decision about the settings that a catalog trains a model with; the newest one holds."""

    catalog = models.ForeignKey(
        "recommender.Catalog", models.CASCADE, related_name="settings_changes"
    )
    model = models.CharField(max_length=32)
    before = models.JSONField(default=dict)  # {} = the model's defaults
    after = models.JSONField(default=dict)
    search_run = models.ForeignKey(
        TrainingRun, models.SET_NULL, null=True, related_name="adoptions"
    )
    undoes = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+")
    actor = models.CharField(max_length=150)  # an account's name, or a key's prefix
    reason = models.TextField(blank=True)
    created_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["catalog", "model", "-id"], name="settings_newest")
        ]

    def __str__(self) -> str:
        """Name the change."""
        return f"settings of {self.model} by {self.actor}"
