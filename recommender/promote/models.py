"""Rows of `promote`: the versions of a model, their variants, and every switch between them."""

from typing import ClassVar, Self

from django.db import models
from django.db.models import Q


class VersionQuerySet(models.QuerySet["ModelVersion"]):
    """Questions about versions."""

    def live(self) -> Self:
        """Keep what serves: at most one per catalog."""
        return self.filter(state=ModelVersion.State.LIVE)


class ModelVersion(models.Model):
    """One trained model: an artifact folder and where it stands; `v12` is its catalog's twelfth."""

    class State(models.TextChoices):
        """Exactly one version per catalog is live."""

        CANDIDATE = "candidate"
        SHADOW = "shadow"
        LIVE = "live"
        RETIRED = "retired"
        REJECTED = "rejected"

    catalog = models.ForeignKey("recommender.Catalog", models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    model = models.CharField(max_length=32)
    strategy = models.CharField(max_length=16)  # what a list answer calls it: neural, item_item, …
    state = models.CharField(max_length=10, choices=State.choices, default=State.CANDIDATE)
    snapshot = models.ForeignKey("recommender.Snapshot", models.PROTECT)
    path = models.CharField(max_length=500)
    manifest_sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    # Which compressed form serves, named as in `Variant`; empty: the original, as training wrote
    # it. `path`, `manifest_sha256` and `size_bytes` are those of what serves.
    variant = models.CharField(max_length=16, blank=True)
    config = models.JSONField(default=dict)
    trained_to = models.DateTimeField()
    train_cpu_s = models.FloatField(default=0.0)
    broken_reason = models.TextField(blank=True)  # set when the artifact was refused at load
    created_at = models.DateTimeField()
    live_since = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)

    objects = VersionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["catalog", "number"], name="version_number_per_catalog"
            ),
            models.UniqueConstraint(
                fields=["catalog"], condition=Q(state="live"), name="one_live_version_per_catalog"
            ),
        ]

    def __str__(self) -> str:
        """Name the version."""
        return f"v{self.number}"

    @property
    def label(self) -> str:
        """Return the name used in the API and on pages, such as `v12`."""
        return f"v{self.number}"

    @property
    def original_path(self) -> str:
        """Return the folder that training wrote, which alone has weights. A query for a variant."""
        if not self.variant:
            return self.path
        return self.variants.get(name=Variant.ORIGINAL).path


class Variant(models.Model):
    """One measured form of a version: the original, or a smaller one with its price.

    `figures` holds plain numbers, intervals as in `Evaluation`:

    share, load_ms, latency_ms   bytes beside the original's, and CPU time of one user's list
    ndcg@10                      {"value": .12, "low": .11, "high": .13, "n": 166}
    difference                   NDCG@10 minus the original's, paired by user; not in the original
    overlap                      share of the original's first ten that are in its first ten
    """

    ORIGINAL = "original"

    class State(models.TextChoices):
        """Failed ones keep the reason in `error` and cannot serve."""

        READY = "ready"
        FAILED = "failed"

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="variants")
    name = models.CharField(max_length=16)
    state = models.CharField(max_length=8, choices=State.choices, default=State.READY)
    path = models.CharField(max_length=500, blank=True)
    manifest_sha256 = models.CharField(max_length=64, blank=True)
    size_bytes = models.PositiveBigIntegerField(default=0)
    figures = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    measured_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "name"], name="variant_name_per_version")
        ]

    def __str__(self) -> str:
        """Name the variant."""
        return f"{self.name} of version {self.version_id}"


class Promotion(models.Model):
    """One decision of the gate or of a person: what went live or was refused, by whom, and why."""

    class Action(models.TextChoices):
        """What was decided."""

        PROMOTE = "promote"
        REFUSE = "refuse"
        ROLL_BACK = "roll_back"
        DISCARD = "discard"
        VARIANT = "variant"  # another form of the same version serves

    catalog = models.ForeignKey("recommender.Catalog", models.CASCADE, related_name="promotions")
    action = models.CharField(max_length=10, choices=Action.choices)
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="promotions")
    previous = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+")
    actor = models.CharField(max_length=150)  # an account's name, `gate`, or a key's prefix
    reason = models.TextField()
    evidence = models.JSONField(default=dict)
    reversible_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["catalog", "-id"], name="promotion_newest")]

    def __str__(self) -> str:
        """Name the decision."""
        return f"{self.action} {self.version_id} by {self.actor}"
