"""Rows of `jobs`: the outbox. A job is a row first; any broker is only a wake-up."""

from typing import ClassVar

from django.db import models
from django.db.models import Q


class Job(models.Model):
    """One task to run, written in the transaction that makes it necessary."""

    class State(models.TextChoices):
        """`dead` jobs used up their tries and are shown to the operator."""

        DUE = "due"
        CLAIMED = "claimed"
        DONE = "done"
        DEAD = "dead"

    task = models.CharField(max_length=80)
    kwargs = models.JSONField(default=dict)
    queue = models.CharField(max_length=20, default="default")
    dedup_key = models.CharField(max_length=120, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.DUE)
    due_at = models.DateTimeField()  # real time, as are the others here
    claimed_by = models.CharField(max_length=100, blank=True)
    lease_expires_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=3)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["dedup_key"],
                condition=~Q(dedup_key="") & Q(state__in=["due", "claimed"]),
                name="one_open_job_per_key",
            )
        ]
        indexes: ClassVar = [models.Index(fields=["state", "queue", "due_at"], name="job_due")]

    def __str__(self) -> str:
        """Name the job."""
        return f"{self.task} {self.state}"


class Worker(models.Model):
    """A worker process that reported lately; health checks and the panel read it."""

    name = models.CharField(max_length=100, unique=True)
    queue = models.CharField(max_length=20)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        """Name the worker."""
        return self.name
