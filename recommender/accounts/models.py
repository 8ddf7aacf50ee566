"""Rows of `accounts`: who can log in, which programs may call the API, and how often."""

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models


class Account(AbstractUser):
    """Somebody who can log in. Operators are staff; `user` rows say who is recommended to."""

    class Theme(models.TextChoices):
        """Light, dark, or as the system says."""

        AUTO = "auto"
        LIGHT = "light"
        DARK = "dark"

    language = models.CharField(max_length=16, blank=True)
    theme = models.CharField(max_length=8, choices=Theme.choices, default=Theme.AUTO)


class ApiKey(models.Model):
    """A program's key to one catalog. Only its SHA-256 is kept; the key itself is shown once."""

    class Kind(models.TextChoices):
        """`pk_` for browsers, `sk_` for servers."""

        PUBLISHABLE = "pk"
        SECRET = "sk"  # noqa: S105 - a kind of key, not a key

    catalog = models.ForeignKey("recommender.Catalog", models.CASCADE, related_name="keys")
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=2, choices=Kind.choices)
    prefix = models.CharField(max_length=16)  # the first characters, to tell keys apart
    sha256 = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)  # see accounts/keys.py
    origins = models.JSONField(default=list)  # browsers' Origin allow-list, for publishable keys
    rate_limit = models.PositiveIntegerField(default=600)  # cost units a minute
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        """Name the key without giving it away."""
        return f"{self.prefix}… ({self.name})"


class IdempotentReply(models.Model):
    """The first answer to a POST with an Idempotency-Key, replayed for 24 hours."""

    key = models.ForeignKey(ApiKey, models.CASCADE)
    idempotency_key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(
        null=True
    )  # null while the first request is in flight
    content_type = models.CharField(max_length=100, blank=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=b"")
    created_at = models.DateTimeField()  # real time

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["key", "idempotency_key"], name="one_first_reply")
        ]

    def __str__(self) -> str:
        """Name the reply."""
        return self.idempotency_key


class RateWindow(models.Model):
    """How much of one minute's budget a subject has spent; raised atomically."""

    subject = models.CharField(max_length=120)  # "key:7", "login:203.0.113.0/24"
    window = models.BigIntegerField()  # the minute since 1970
    spent = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["subject", "window"], name="one_window_per_subject")
        ]

    def __str__(self) -> str:
        """Name the window."""
        return f"{self.subject} {self.window}: {self.spent}"
