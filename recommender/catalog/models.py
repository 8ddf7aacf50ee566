"""Rows of `catalog`: what can be recommended, and the rules of one scenario."""

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import F, Q


class Scenario(models.TextChoices):
    """The four kinds of site that RecLoop knows; each has its own defaults."""

    FILMS = "films", "Films and music"
    SHOP = "shop", "Shop"
    NEWS = "news", "News"
    SOCIAL = "social", "Social"


class Catalog(models.Model):
    """One scenario with its own items, users, events, models and keys."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=200)
    scenario = models.CharField(max_length=16, choices=Scenario.choices)
    is_default = models.BooleanField(default=False)
    # {"rating": {"weight": 1.0, "half_life_days": 365, "role": "rating"}, …}; see catalog/rules.py
    event_rules = models.JSONField(default=dict)
    rating_min = models.FloatField(default=0.5)
    rating_max = models.FloatField(default=5.0)
    rating_step = models.FloatField(default=0.5)
    liked_from = models.FloatField(default=4.0)
    # What drawing lists may cost, as a share of the best list's worth; 0 = always the best list.
    exploration_target = models.FloatField(default=0.01)
    exploration_tau = models.FloatField(default=0.1)  # temperature of the draw; steered by cost
    goal_metric = models.CharField(max_length=32, default="ndcg@10")
    default_model = models.CharField(max_length=32, default="hybrid")
    filters = models.JSONField(default=list)  # item attributes that lists may be filtered by
    notice = models.TextField(blank=True)  # the data's terms, shown on every page of the site
    is_demo = models.BooleanField(default=False)
    time_shift_s = models.BigIntegerField(default=0)  # added to imported times (demo data only)
    # Raised by every change of an item, in the same transaction: web workers reload what is newer.
    items_seq = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="one_default_catalog"
            ),
            models.CheckConstraint(
                condition=Q(rating_min__lt=F("rating_max")), name="catalog_rating_scale"
            ),
        ]

    def __str__(self) -> str:
        """Name the catalog."""
        return self.slug


class ItemQuerySet(models.QuerySet["Item"]):
    """Questions about items."""

    def visible(self, at: Any) -> Self:
        """Keep items that may be shown at the given time."""
        return self.filter(is_hidden=False).filter(Q(expires_at=None) | Q(expires_at__gt=at))

    def newer_than(self, seq: int) -> Self:
        """Keep items changed after the catalog's sequence number `seq`."""
        return self.filter(changed_seq__gt=seq)


class Item(models.Model):
    """Something that can be recommended."""

    catalog = models.ForeignKey(Catalog, models.CASCADE, related_name="items")
    external_id = models.CharField(max_length=200)
    title = models.CharField(max_length=500)
    description = models.TextField(blank=True)
    categories = models.JSONField(default=list)
    tags = models.JSONField(default=list)
    creators = models.JSONField(default=list)
    price = models.FloatField(null=True)
    sales = models.PositiveBigIntegerField(null=True)
    language = models.CharField(max_length=35, blank=True)
    published_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    image_url = models.CharField(max_length=2000, blank=True)
    audio_url = models.CharField(max_length=2000, blank=True)
    # Paths below the media folder, for encoders; nothing is ever fetched from the addresses above.
    picture = models.CharField(max_length=500, blank=True)
    sound = models.CharField(max_length=500, blank=True)
    attributes = models.JSONField(default=dict)
    is_hidden = models.BooleanField(default=False)
    text_hash = models.CharField(max_length=64)  # SHA-256 of what the text encoder reads
    picture_hash = models.CharField(max_length=64, blank=True)  # SHA-256 of the file
    sound_hash = models.CharField(max_length=64, blank=True)
    changed_seq = models.PositiveBigIntegerField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = ItemQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["catalog", "external_id"], name="item_id_per_catalog")
        ]
        indexes: ClassVar = [models.Index(fields=["catalog", "changed_seq"], name="item_changes")]

    def __str__(self) -> str:
        """Name the item."""
        return f"{self.external_id} {self.title}"


class ItemVector(models.Model):
    """What one encoder read from one item. Vectors of different encoders are never mixed."""

    class Modality(models.TextChoices):
        """What was read."""

        TEXT = "text"
        PICTURE = "picture"
        SOUND = "sound"

    item = models.ForeignKey(Item, models.CASCADE, related_name="vectors")
    modality = models.CharField(max_length=10, choices=Modality.choices, default=Modality.TEXT)
    encoder_id = models.CharField(max_length=100)
    encoder_version = models.CharField(max_length=50)
    dimension = models.PositiveIntegerField()
    vector = models.BinaryField()  # float32, little-endian, length `dimension`
    source_hash = models.CharField(max_length=64)  # the item's digest when it was read
    source_mark = models.CharField(max_length=60, blank=True)  # size and time of the file
    problem = models.CharField(max_length=200, blank=True)  # why the vector is zeros
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["item", "modality", "encoder_id", "encoder_version"],
                name="item_vector_per_encoder_version",
            )
        ]

    def __str__(self) -> str:
        """Name the vector."""
        return f"{self.item_id} by {self.encoder_id}"


class ImportRun(models.Model):
    """One file on its way in: how far it got, so that a killed import goes on where it stopped."""

    class Kind(models.TextChoices):
        """What the rows of the file are."""

        ITEMS = "items"
        USERS = "users"
        EVENTS = "events"

    class State(models.TextChoices):
        """How far the import is."""

        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    catalog = models.ForeignKey(Catalog, models.CASCADE, related_name="imports")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    format = models.CharField(max_length=20)
    source = models.CharField(max_length=500)
    sha256 = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    lines_total = models.PositiveBigIntegerField(default=0)
    lines_done = models.PositiveBigIntegerField(default=0)
    accepted = models.PositiveBigIntegerField(default=0)
    duplicates = models.PositiveBigIntegerField(default=0)
    rejected = models.PositiveBigIntegerField(default=0)
    rejects_path = models.CharField(max_length=500, blank=True)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["catalog", "kind", "format", "sha256"], name="import_once_per_file"
            )
        ]

    def __str__(self) -> str:
        """Name the import."""
        return f"{self.kind} from {self.source}: {self.state}"
