"""Rows of `prepare`: a frozen, hashed folder of arrays."""

from typing import ClassVar

from django.db import models


class Snapshot(models.Model):
    """What one training reads. The folder never changes; its hash is checked before use."""

    catalog = models.ForeignKey("recommender.Catalog", models.CASCADE, related_name="snapshots")
    watermark_from = models.DateTimeField(null=True)
    watermark_to = models.DateTimeField()  # events received up to here
    split_at = models.DateTimeField()  # events before train, events from here on test
    n_users = models.PositiveIntegerField()
    n_items = models.PositiveIntegerField()
    n_events = models.PositiveBigIntegerField()
    n_simulated = models.PositiveBigIntegerField(default=0)
    dropped = models.JSONField(default=dict)  # {"duplicate": 12, "robot": 340, …}
    sha256 = models.CharField(max_length=64)
    path = models.CharField(max_length=500)
    created_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["catalog", "created_at"], name="snapshot_by_time")
        ]

    def __str__(self) -> str:
        """Name the snapshot."""
        return f"{self.catalog_id} to {self.watermark_to:%Y-%m-%d %H:%M} ({self.n_events} events)"
