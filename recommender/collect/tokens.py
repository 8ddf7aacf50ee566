"""Impression tokens: what a client hands back to say which shown item it means.

A token is slate id (16 bytes) + position (2) + the first 16 bytes of their HMAC-SHA256, base64url.
A client can therefore neither choose a position nor invent a slate; everything else (item, user,
model, propensity, time) is looked up in the rows that the slate wrote.
"""

import base64
import binascii
import hmac
import struct
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from django.conf import settings

_LENGTH = 34
_CHARACTERS = 46


class BadToken(ValueError):
    """A token that this installation did not make; `code` is what an event result reports."""

    def __init__(self, code: str) -> None:
        """Keep the code."""
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class TokenParts:
    """What a genuine token names."""

    slate_id: UUID
    position: int


def make_token(slate_id: UUID, position: int) -> str:
    """Sign one position of one slate; positions run from 1 to 65,535."""
    body = slate_id.bytes + struct.pack(">H", position)
    return base64.urlsafe_b64encode(body + _mac(body)).decode().rstrip("=")


def read_token(token: str) -> TokenParts:
    """Check a token and return what it names.

    Raises: BadToken("forged_token") for anything that `make_token` did not return, character by
        character: other spellings of the same bytes are refused too.
    """
    if len(token) != _CHARACTERS or not token.isascii():
        raise BadToken("forged_token")
    try:
        raw = base64.b64decode(token + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadToken("forged_token") from None
    body, mac = raw[:18], raw[18:]
    if len(raw) != _LENGTH or not hmac.compare_digest(mac, _mac(body)):
        raise BadToken("forged_token")
    if base64.urlsafe_b64encode(raw).decode().rstrip("=") != token:
        raise BadToken("forged_token")
    return TokenParts(UUID(bytes=body[:16]), struct.unpack(">H", body[16:])[0])


def _mac(body: bytes) -> bytes:
    return hmac.digest(settings.TOKEN_KEY.encode(), body, sha256)[:16]
