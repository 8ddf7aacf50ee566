"""Read and write JSON at the edge: strict in, compact out."""

from collections.abc import Iterator
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from recommender.api.problems import Problem

JSON = "application/json"
NDJSON = "application/x-ndjson"
MAX_BYTES = 2_097_152
MAX_DEPTH = 20


def media_type(request: HttpRequest) -> str:
    """Return the request's content type without its parameters, in lower case."""
    return (request.content_type or "").lower()


def read_raw(request: HttpRequest) -> bytes:
    """Read the whole body.

    Raises: Problem 413 when it is larger than 2 MB, before reading it where the length is told.
    """
    told = request.META.get("CONTENT_LENGTH") or "0"
    if told.isdigit() and int(told) > MAX_BYTES:
        detail = _("The body has %(n)s bytes; the most is %(most)s.")
        raise Problem("too_large", detail % {"n": told, "most": MAX_BYTES})
    raw: bytes = request.body  # Django's own limit holds for bodies that tell no length
    return raw


def read_json(request: HttpRequest) -> Any:
    """Parse the body as JSON; an empty body is an empty object.

    Raises: Problem 400 when it is not JSON or nested too deeply.
    """
    raw = read_raw(request)
    return parse(raw) if raw.strip() else {}


def read_object(request: HttpRequest) -> dict[str, Any]:
    """Parse the body as one JSON object.

    Raises: Problem 400 when it is anything else.
    """
    data = read_json(request)
    if not isinstance(data, dict):
        detail = _("The body is a %(kind)s; an object is expected.")
        raise Problem("invalid_input", detail % {"kind": kind_of(data)})
    return data


def parse(raw: bytes) -> Any:
    """Parse JSON.

    Raises: Problem 400 naming the place of the mistake.
    """
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Problem("invalid_json", _("Not JSON: %(why)s.") % {"why": error}) from error
    if is_deeper(data, MAX_DEPTH):
        detail = _("The JSON is nested more than %(most)s levels deep.")
        raise Problem("invalid_json", detail % {"most": MAX_DEPTH})
    if b"\\u0000" in raw and has_nul(data):
        raise Problem("invalid_json", _("A string holds the character NUL, which no text needs."))
    return data


def read_lines(request: HttpRequest, most: int) -> list[Any]:
    """Parse NDJSON, one value a line; blank lines are skipped.

    Raises: Problem 413 when there are more than `most` lines, 400 naming a line that is not JSON.
    """
    lines = [line for line in read_raw(request).split(b"\n") if line.strip()]
    if len(lines) > most:
        detail = _("The batch has %(n)s entries; the most is %(most)s.")
        raise Problem("too_large", detail % {"n": len(lines), "most": most})
    return list(_parse_lines(lines))


def is_deeper(value: Any, levels: int) -> bool:
    """Say whether objects and lists nest deeper than `levels`, without recursing further."""
    if isinstance(value, dict):
        return levels == 0 or any(is_deeper(inner, levels - 1) for inner in value.values())
    if isinstance(value, list):
        return levels == 0 or any(is_deeper(inner, levels - 1) for inner in value)
    return False


def has_nul(value: Any) -> bool:
    """Say whether a string or a name anywhere inside holds NUL, which PostgreSQL cannot store."""
    if isinstance(value, dict):
        return any(has_nul(name) or has_nul(inner) for name, inner in value.items())
    if isinstance(value, list):
        return any(has_nul(inner) for inner in value)
    return isinstance(value, str) and "\0" in value


def kind_of(value: Any) -> str:
    """Name the JSON type of a parsed value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list) else "string"


def answer(data: Any, status: int = 200, **headers: str) -> HttpResponse:
    """Write JSON; times leave as RFC 3339 UTC. Underscores in header names become hyphens."""
    response = HttpResponse(
        orjson.dumps(data, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS),
        status=status,
        content_type=JSON,
    )
    for name, value in headers.items():
        response[name.replace("_", "-")] = value
    return response


def _parse_lines(lines: list[bytes]) -> Iterator[Any]:
    for number, line in enumerate(lines, start=1):
        try:
            yield parse(line)
        except Problem as problem:
            detail = _("Line %(n)s: %(why)s") % {"n": number, "why": problem.detail}
            raise Problem("invalid_json", detail) from problem
