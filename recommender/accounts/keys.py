"""API keys: 256 random bits, kept as SHA-256, checked without a query.

Each process holds all good keys in a table that is at most five seconds old, so a revoked key stops
working within five seconds everywhere, and at once in the process that revoked it.
"""

import hmac
import logging
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from threading import Lock

from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from recommender import clock
from recommender.accounts.models import ApiKey
from recommender.catalog.models import Catalog
from recommender.errors import BadData

SCOPES = ("recommend", "events", "read", "write", "operate")
# A publishable key lies open in a page's source: it may only do what any visitor may.
PUBLISHABLE_SCOPES = ("recommend", "events")
REFRESH_S = 5.0
# A key made by another process is looked for this often, so guessing keys costs no queries.
RETRY_S = 0.5
USE_NOTED_EVERY = timedelta(minutes=1)

log = logging.getLogger(__name__)


@dataclass
class _Table:
    """This process's copy of the good keys."""

    keys: dict[str, ApiKey] = field(default_factory=dict)
    read_at: float = -1e9
    used: dict[int, float] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)


_table = _Table()


@transaction.atomic
def make_key(
    *, catalog: Catalog, name: str, kind: str, scopes: Sequence[str], created_by: str
) -> tuple[ApiKey, str]:
    """Make a key; return its row and the key itself, which nobody can read again later.

    Raises: BadData for an unknown kind or scope, or a scope that a publishable key must not have.
    """
    if kind not in ApiKey.Kind.values:
        raise BadData(_("The kind of key is %(kind)r; choose pk or sk.") % {"kind": kind})
    allowed = SCOPES if kind == ApiKey.Kind.SECRET else PUBLISHABLE_SCOPES
    unknown = sorted(set(scopes) - set(allowed))
    if unknown or not scopes:
        raise BadData(
            _("The scopes are %(scopes)s; a key of kind %(kind)s may have %(allowed)s.")
            % {
                "scopes": ", ".join(unknown or scopes) or "–",
                "kind": kind,
                "allowed": ", ".join(allowed),
            }
        )
    plaintext = f"{kind}_{secrets.token_urlsafe(32)}"
    row = ApiKey.objects.create(
        catalog=catalog,
        name=name,
        kind=kind,
        prefix=plaintext[:11],
        sha256=_digest(plaintext),
        scopes=[scope for scope in SCOPES if scope in scopes],
        created_by=created_by,
        created_at=clock.now(),
    )
    transaction.on_commit(forget_table)
    return row, plaintext


@transaction.atomic
def revoke_key(*, key: ApiKey) -> ApiKey:
    """Revoke a key; a second time changes nothing."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=clock.now())
    key.refresh_from_db()
    transaction.on_commit(forget_table)
    return key


def authenticate(plaintext: str) -> ApiKey | None:
    """Return the good key that a caller presents, or None. Runs a query at most every 5 s.

    The row comes with its catalog. Its `last_used_at` is written at most once a minute.
    """
    digest = _digest(plaintext)
    if digest not in _table.keys or time.monotonic() - _table.read_at > REFRESH_S:
        _refresh()
    key = _table.keys.get(digest)
    # The table is keyed by digests of 256-bit secrets; comparing once more in constant time
    # keeps the answer independent of how a dictionary compares.
    if key is None or not hmac.compare_digest(key.sha256, digest):
        return None
    if key.expires_at is not None and key.expires_at <= clock.now():
        return None
    _note_use(key)
    return key


def keys_of(catalog: Catalog) -> list[ApiKey]:
    """List a catalog's keys, newest first. One query."""
    return list(ApiKey.objects.filter(catalog=catalog).order_by("-created_at", "-pk"))


def forget_table() -> None:
    """Read the keys anew at the next request of this process."""
    _table.read_at = -1e9


def _refresh() -> None:
    with _table.lock:
        # Another thread may have read it while this one waited, or somebody guesses keys.
        if time.monotonic() - _table.read_at <= RETRY_S:
            return
        started = time.monotonic()
        try:
            good = ApiKey.objects.filter(revoked_at=None).select_related("catalog")
            _table.keys = {key.sha256: key for key in good}
        except DatabaseError:
            # Lists can be answered without the database; the last table known stays good for that.
            log.exception("keys_not_refreshed")
        _table.read_at = started


def _note_use(key: ApiKey) -> None:
    moment = time.monotonic()
    if moment - _table.used.get(key.pk, -1e9) < USE_NOTED_EVERY.total_seconds():
        return
    _table.used[key.pk] = moment
    used_at = clock.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=used_at - USE_NOTED_EVERY)
    try:
        with transaction.atomic():
            ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=used_at)
    except DatabaseError:
        log.exception("key_use_not_noted", extra={"key": key.pk})


def _digest(plaintext: str) -> str:
    return sha256(plaintext.encode("utf-8", "surrogatepass")).hexdigest()
