"""Rows of `collect`: who is recommended to, what people did, what we showed. Append-only."""

import uuid
from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q


class User(models.Model):
    """Who gets recommendations: signed in, anonymous, or known only by another site's id."""

    catalog = models.ForeignKey("recommender.Catalog", models.CASCADE, related_name="users")
    external_id = models.CharField(max_length=200)
    account = models.ForeignKey(
        "recommender.Account", models.SET_NULL, null=True, blank=True, related_name="users"
    )
    attributes = models.JSONField(default=dict)  # {"age": 34, "gender": "F", …}
    is_personalized = models.BooleanField(default=True)  # the lasting off switch
    is_simulated = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["catalog", "external_id"], name="user_id_per_catalog"),
            models.UniqueConstraint(
                fields=["catalog", "account"],
                condition=Q(account__isnull=False),
                name="one_user_per_account_and_catalog",
            ),
        ]

    def __str__(self) -> str:
        """Name the user."""
        return self.external_id


class Slate(models.Model):
    """One answered list, written before the reply leaves: who asked, what decided, how drawn."""

    class Sampler(models.TextChoices):
        """How the order was drawn; only `mix` rows enter off-policy estimates."""

        MIX = "mix"
        INTERLEAVE = "interleave"
        DETERMINISTIC = "deterministic"

    id = models.UUIDField(primary_key=True)  # UUIDv7: sorts by time
    request_id = models.CharField(max_length=64)
    decided_at = models.DateTimeField()
    catalog = models.ForeignKey("recommender.Catalog", models.CASCADE, related_name="slates")
    # Null in private mode.
    user = models.ForeignKey(User, models.SET_NULL, null=True, related_name="slates")
    session_id = models.CharField(max_length=64, blank=True)
    surface = models.CharField(max_length=16)  # home, api, similar, search, rank, more
    page = models.PositiveIntegerField(default=1)
    k = models.PositiveIntegerField()
    layout = models.CharField(max_length=16, default="list")
    device = models.CharField(max_length=16, blank=True)
    locale = models.CharField(max_length=16, blank=True)
    hour_local = models.PositiveSmallIntegerField()
    consent = models.CharField(max_length=16)  # personalized, session-only, none
    bot_score = models.FloatField(default=0.0)
    # What decided
    policy_id = models.CharField(max_length=32)
    policy_version = models.CharField(max_length=16)
    policy_config_hash = models.CharField(max_length=64)
    model_version = models.ForeignKey(
        "recommender.ModelVersion", models.PROTECT, null=True, related_name="slates"
    )
    model_trained_to = models.DateTimeField(null=True)
    strategy = models.CharField(max_length=16)  # neural, item_item, mean, …, popular, cold_start
    experiment_keys = models.JSONField(default=list)
    fallback = models.CharField(max_length=16, default="none")  # none, popular, new, any, timeout
    latency_ms = models.FloatField()
    schema_version = models.PositiveSmallIntegerField(default=1)
    # How it was drawn
    seed = models.BigIntegerField()
    eps = models.FloatField(default=0.0)
    tau = models.FloatField(default=0.0)
    sampler = models.CharField(max_length=16, choices=Sampler.choices)
    candidates = models.BinaryField()  # int32 × C, item primary keys
    logits = models.BinaryField()  # float32 × C × contenders
    alphas = models.JSONField(default=list)
    contenders = models.JSONField(default=list)  # names, one for each row of logits
    component = models.CharField(max_length=32, blank=True)
    masks = models.JSONField(default=list)  # per step, candidate numbers that were out
    # Slots filled before the draw: [position, item, slot kind, chance, source letter]
    fixed = models.JSONField(default=list)
    cost = models.FloatField(null=True)  # of drawing, as a share of the best list's worth
    retrieval_sources = models.JSONField(default=dict)
    feature_snapshot = models.ForeignKey(
        "recommender.FeatureSnapshot", models.PROTECT, null=True, related_name="slates"
    )
    is_simulated = models.BooleanField(default=False)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["catalog", "decided_at"], name="slate_by_time"),
            models.Index(fields=["user", "decided_at"], name="slate_by_user"),
        ]

    def __str__(self) -> str:
        """Name the slate."""
        return f"{self.surface} {self.id}"


class FeatureSnapshot(models.Model):
    """Exactly what the scorer read for a slate; shared by slates that read the same."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    blob = models.BinaryField()  # zlib-compressed JSON: ids of the last events, counters, encoder
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        """Name the snapshot."""
        return self.sha256[:12]


class Impression(models.Model):
    """One position of one slate, as served. Whether it was viewed is told by a `view` event."""

    class SlotKind(models.TextChoices):
        """Why the slot holds what it holds."""

        EXPLOIT = "exploit"
        EXPLORE = "explore"
        COLD = "cold"
        PINNED = "pinned"
        SPONSORED = "sponsored"

    slate = models.ForeignKey(Slate, models.CASCADE, related_name="impressions")
    item = models.ForeignKey("recommender.Item", models.CASCADE, related_name="impressions")
    position = models.PositiveIntegerField()  # 1-based
    row = models.PositiveSmallIntegerField(default=1)
    col = models.PositiveSmallIntegerField()
    row_kind = models.CharField(max_length=24, blank=True)  # because, trending, new, …
    slot_kind = models.CharField(max_length=10, choices=SlotKind.choices)
    team = models.CharField(max_length=8, blank=True)
    p_cond = models.FloatField()  # chance given the higher slots
    log_p_prefix = models.FloatField()
    score = models.FloatField()
    p_click = models.FloatField(null=True)
    p_value = models.FloatField(null=True)
    uncertainty = models.FloatField(null=True)
    reason_codes = models.JSONField(default=list)
    served_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["slate", "position"], name="impression_per_position")
        ]

    def __str__(self) -> str:
        """Name the impression."""
        return f"{self.slate_id} #{self.position}"


class EventQuerySet(models.QuerySet["Event"]):
    """Questions about events."""

    def standing(self) -> Self:
        """Drop `undo` events and the events they took back. One anti-join."""
        undone = Event.objects.filter(type="undo", target=models.OuterRef("pk"))
        return self.exclude(type="undo").filter(~models.Exists(undone))

    def since(self, moment: datetime) -> Self:
        """Keep events received at or after the moment."""
        return self.filter(received_at__gte=moment)

    def by_user(self, user: User) -> Self:
        """Keep one user's events, oldest first."""
        return self.filter(user=user).order_by("occurred_at", "id")


class Event(models.Model):
    """What a person did. Never edited and never deleted, except by erasure of the person."""

    class Source(models.TextChoices):
        """How it reached us."""

        WEB = "web"
        API = "api"
        IMPORT = "import"
        SIMULATED = "simulated"

    class Attribution(models.TextChoices):
        """How it is tied to what we showed."""

        DIRECT = "direct"  # within 30 minutes of the slate
        VIEW_THROUGH = "view_through"  # within 24 hours
        ORGANIC = "organic"  # no slate

    catalog = models.ForeignKey("recommender.Catalog", models.CASCADE, related_name="events")
    event_id = models.UUIDField(default=uuid.uuid4)
    body_hash = models.CharField(max_length=64)  # the same id with another body is a conflict
    type = models.CharField(max_length=24)
    user = models.ForeignKey(User, models.CASCADE, related_name="events")
    item = models.ForeignKey("recommender.Item", models.CASCADE, null=True, related_name="events")
    value = models.FloatField(null=True)
    reason = models.CharField(max_length=40, blank=True)
    target = models.ForeignKey("self", models.CASCADE, null=True, related_name="undone_by")
    slate = models.ForeignKey(Slate, models.SET_NULL, null=True, related_name="events")
    position = models.PositiveIntegerField(null=True)
    session_id = models.CharField(max_length=64, blank=True)
    occurred_at = models.DateTimeField()  # the client's time, clamped to [−30 d, +5 min]
    received_at = models.DateTimeField()  # the server's
    clock_skew_s = models.FloatField(default=0.0)
    attribution = models.CharField(max_length=16, choices=Attribution.choices)
    source = models.CharField(max_length=10, choices=Source.choices)
    trust = models.FloatField(default=1.0)

    objects = EventQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["catalog", "event_id"], name="event_id_per_catalog"),
            # A repeated token never counts twice.
            models.UniqueConstraint(
                fields=["slate", "position", "type"],
                condition=Q(type__in=["impression", "click"], slate__isnull=False),
                name="one_view_and_one_click_per_impression",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user", "occurred_at"], name="event_by_user"),
            models.Index(fields=["catalog", "type", "occurred_at"], name="event_by_type"),
            models.Index(fields=["catalog", "received_at"], name="event_by_arrival"),
        ]

    def __str__(self) -> str:
        """Name the event."""
        return f"{self.type} {self.event_id}"


class RejectedEvent(models.Model):
    """An event that was refused, with what came and why; the operator's tail reads it."""

    catalog = models.ForeignKey("recommender.Catalog", models.CASCADE)
    received_at = models.DateTimeField()
    code = models.CharField(max_length=40)
    detail = models.TextField()
    payload = models.TextField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["catalog", "received_at"], name="rejected_by_time")
        ]

    def __str__(self) -> str:
        """Name the rejection."""
        return f"{self.code} at {self.received_at}"


class UserState(models.Model):
    """The one row that the hot path reads: recent history, what not to show, and the stored list.

    `collect` keeps history, seen and hidden true in the transaction that stores an event; `serve`
    writes the list. The list is good while `list_seq == event_seq` and its version is the live one.
    """

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="state")
    catalog = models.ForeignKey("recommender.Catalog", models.CASCADE)
    event_seq = models.PositiveBigIntegerField(default=0)
    # JSON array, oldest first, at most HISTORY_LENGTH: [item, type, value, seconds since 1970]
    history = models.BinaryField(default=b"[]")
    seen = models.BinaryField(default=b"")  # int32 item keys, sorted: rated, bought, watched
    hidden = models.BinaryField(default=b"")  # int32 item keys, sorted: dismissed
    rating_count = models.PositiveIntegerField(default=0)
    rating_sum = models.FloatField(default=0.0)
    positive_count = models.PositiveIntegerField(default=0)
    profile_updated_at = models.DateTimeField()
    list_seq = models.PositiveBigIntegerField(null=True)
    list_version = models.BigIntegerField(null=True)  # primary key of the model version
    list_items = models.BinaryField(default=b"")  # int32 × n item keys, best first
    list_scores = models.BinaryField(default=b"")  # float32 × n

    def __str__(self) -> str:
        """Name the state."""
        return f"state of {self.user_id} at {self.event_seq}"
