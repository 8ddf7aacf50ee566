"""Rows of `estimate`: one answer to "what if this version had served"."""

from typing import ClassVar

from django.db import models


class Estimate(models.Model):
    """What a version would have earned per list, beside what was earned on the same lists.

    figures   {"earned": {…interval…}, "value": {…}, "difference": {…}, "sample": 812.0,
              "outside": .02, "lost": 3}
    """

    class Reading(models.TextChoices):
        """What a click is taken to depend on."""

        ITEM = "item"  # the item and its place
        PREFIX = "prefix"  # also what stands above

    catalog = models.ForeignKey("recommender.Catalog", models.CASCADE, related_name="estimates")
    model_version = models.ForeignKey(
        "recommender.ModelVersion", models.CASCADE, related_name="estimates"
    )
    made_at = models.DateTimeField()
    since = models.DateTimeField(null=True)  # of the lists read; null without any
    until = models.DateTimeField()
    n = models.PositiveIntegerField()  # lists
    n_users = models.PositiveIntegerField()
    is_simulated = models.BooleanField()  # the lists are the demo's own
    reading = models.CharField(max_length=8, choices=Reading.choices, default=Reading.ITEM)
    refusals = models.JSONField(default=list)  # of ml.off_policy, empty: it may be believed
    figures = models.JSONField(default=dict)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["model_version", "-id"], name="estimate_newest")]

    def __str__(self) -> str:
        """Name the estimate."""
        return f"{self.model_version_id} on {self.n} lists"
