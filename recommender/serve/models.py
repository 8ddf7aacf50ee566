"""The one row that serving writes besides slates: a sentence that a language model wrote."""

from typing import ClassVar

from django.db import models


class Narration(models.Model):
    """One list of facts, and the sentence made of it; kept for a week, tied to no person."""

    class State(models.TextChoices):
        """Where it stands; only `ready` is shown."""

        ASKED = "asked"
        READY = "ready"
        REFUSED = "refused"  # the check found something that is no fact
        FAILED = "failed"  # the model did not answer

    key = models.CharField(max_length=64, unique=True)  # of facts, language and model
    facts = models.JSONField()
    model = models.CharField(max_length=300)  # the setting
    state = models.CharField(max_length=8, choices=State.choices, default=State.ASKED)
    text = models.TextField(default="")
    problem = models.TextField(default="")  # why it was refused, or how it failed
    asked_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["ended_at"], name="narration_by_end")]

    def __str__(self) -> str:
        """Name the narration."""
        return f"{self.state} {self.key[:12]}"
