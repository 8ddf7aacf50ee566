"""Cursors: signed, opaque, and tied to one slate, so that page 2 continues page 1's list."""

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from recommender.errors import BadData

_BODY = struct.Struct(">16sHHH")  # slate, offset into its candidates, positions used, page
_MAC_BYTES = 16


@dataclass(frozen=True)
class Place:
    """Where the next page starts."""

    slate_id: UUID
    offset: int  # candidates already passed
    position: int  # positions already shown
    page: int  # number of the page to come


def make(place: Place) -> str:
    """Sign a place."""
    body = _BODY.pack(place.slate_id.bytes, place.offset, place.position, place.page)
    return base64.urlsafe_b64encode(body + _mac(body)).decode().rstrip("=")


def read(cursor: str) -> Place:
    """Read a cursor. Raises: BadData when it is not one of ours."""
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except (ValueError, binascii.Error):
        raw = b""
    body, mac = raw[: _BODY.size], raw[_BODY.size :]
    if len(raw) != _BODY.size + _MAC_BYTES or not hmac.compare_digest(mac, _mac(body)):
        raise BadData(_("cursor is not one that a list answer gave; start again without a cursor"))
    slate, offset, position, page = _BODY.unpack(body)
    return Place(UUID(bytes=slate), offset, position, page)


def _mac(body: bytes) -> bytes:
    key = settings.TOKEN_KEY.encode()
    return hmac.new(key, b"cursor" + body, hashlib.sha256).digest()[:_MAC_BYTES]
