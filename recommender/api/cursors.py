"""Opaque cursors of lists that are ordered by a number."""

import base64
import binascii

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from recommender.api.errors import invalid
from recommender.api.problems import FieldError

PREFIX = b"n:"


def make(number: int) -> str:
    """Hide a position of the list in a cursor.

    >>> read(make(12))
    12
    """
    return base64.urlsafe_b64encode(PREFIX + str(number).encode()).decode().rstrip("=")


def read(cursor: str) -> int:
    """Find the position.

    Raises: Problem 400 for anything that `make` did not return.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    digits = raw.removeprefix(PREFIX)
    if raw == digits or not digits.isdigit() or len(digits) > 10:
        detail = _("The cursor is not one that this list gave.")
        raise invalid((FieldError("/cursor", "invalid", detail, "query"),))
    return int(digits)


def link(request: HttpRequest, response: HttpResponse, cursor: str | None) -> None:
    """Add the header that names the next page, where there is one."""
    if cursor is None:
        return
    again = request.GET.copy()
    again["cursor"] = cursor
    address = request.build_absolute_uri(f"{request.path}?{again.urlencode()}")
    response["Link"] = f'<{address}>; rel="next"'
