"""Every kind of failure that the API answers with: a code, a status, a page that explains it."""

from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


@dataclass(frozen=True)
class Kind:
    """One row of the table below. `remedy` is what the page at `/api/problems/<code>/` says."""

    status: int
    title: Text
    remedy: Text


KINDS: dict[str, Kind] = {
    "bad_request": Kind(
        400,
        _("The request cannot be understood"),
        _("Compare the request with the API reference; the detail says what was wrong."),
    ),
    "invalid_json": Kind(
        400,
        _("The body is not JSON"),
        _("Send UTF-8 JSON. For NDJSON send one object a line. NaN and Infinity are not JSON."),
    ),
    "invalid_input": Kind(
        400,
        _("Some fields are wrong"),
        _("`errors` names each field by JSON pointer, with a code and what was expected."),
    ),
    "bad_data": Kind(
        400,
        _("The input is not what it claims to be"),
        _("The detail says what came and what was expected."),
    ),
    "unauthorized": Kind(
        401,
        _("A valid key is needed"),
        _("Send `Authorization: Bearer sk_…`. Keys are made by an operator and shown once."),
    ),
    "missing_scope": Kind(
        403,
        _("The key may not do this"),
        _("Ask an operator for a key with the scope that the detail names."),
    ),
    "foreign_origin": Kind(
        403,
        _("This key may not be used from this origin"),
        _("Add the page's origin to the key's allow-list, or use a secret key on a server."),
    ),
    "anonymous_only": Kind(
        403,
        _("A publishable key serves anonymous visitors only"),
        _("Leave out the user, or send the request from a server with a secret key."),
    ),
    "not_found": Kind(
        404,
        _("There is nothing here"),
        _("Check the address and the id. A key sees only its own catalog."),
    ),
    "method_not_allowed": Kind(
        405,
        _("This address does not take this method"),
        _("The header `Allow` lists the methods that it takes."),
    ),
    "not_acceptable": Kind(
        406,
        _("Only JSON can be answered"),
        _("Send `Accept: application/json`, or no `Accept` at all."),
    ),
    "refused": Kind(
        409,
        _("Not possible in the present state"),
        _("The detail names what stands in the way, such as the run that is active."),
    ),
    "event_conflict": Kind(
        409,
        _("The event id is taken by another event"),
        _("Make a fresh UUID for each event. Repeating the same event is harmless."),
    ),
    "idempotency_in_flight": Kind(
        409,
        _("The first request with this Idempotency-Key is still at work"),
        _("Wait a moment and send the same request again."),
    ),
    "too_large": Kind(
        413,
        _("The request is too large"),
        _("Send at most 2 MB and at most 1,000 entries a request; split larger batches."),
    ),
    "unsupported_media_type": Kind(
        415,
        _("This content type is not understood"),
        _("Send `Content-Type: application/json`, without a content encoding."),
    ),
    "idempotency_mismatch": Kind(
        422,
        _("The Idempotency-Key was used with another request"),
        _("Use a fresh key for each request, and the same key only to repeat one."),
    ),
    "rate_limited": Kind(
        429,
        _("Too many requests"),
        _("Wait as long as `Retry-After` says. `RateLimit` tells what is left before it happens."),
    ),
    "server_error": Kind(
        500,
        _("Something went wrong on our side"),
        _("Try again later. If it stays, give an operator the request id."),
    ),
    "not_ready": Kind(
        503,
        _("Not ready yet"),
        _("Wait as long as `Retry-After` says, then try again; the detail says what is missing."),
    ),
}

BY_STATUS: dict[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "missing_scope",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "refused",
    413: "too_large",
    415: "unsupported_media_type",
    422: "idempotency_mismatch",
    429: "rate_limited",
    500: "server_error",
    503: "not_ready",
}


@dataclass(frozen=True)
class FieldError:
    """One wrong field: where it is (JSON pointer), in what part of the request, and why."""

    pointer: str
    code: str
    detail: str
    location: str = "body"  # body, query, path, header

    def as_json(self) -> dict[str, str]:
        """Give the fields in the order of the documentation."""
        return {
            "pointer": self.pointer,
            "location": self.location,
            "code": self.code,
            "detail": self.detail,
        }


class Problem(Exception):
    """A failure on its way to the caller. `code` is a key of `KINDS`.

    Args:
        errors: wrong fields, named one by one.
        headers: headers of the answer, such as `Retry-After`.
        extra: further members of the problem object.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: dict[str, str] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        """Keep code and sentence."""
        super().__init__(detail)
        self.code = code
        self.kind = KINDS[code]
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.extra = extra or {}
