"""One envelope for every failure under `/api/`: RFC 9457 problem+json."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
import structlog
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import RawPostDataException, UnreadablePostError
from django.utils.translation import gettext as _
from rest_framework import exceptions as drf

from recommender import errors
from recommender.api.problems import BY_STATUS, FieldError, Problem

CONTENT_TYPE = "application/problem+json"
RETRY_SOON = {"Retry-After": "5"}
log = structlog.get_logger("recommender.api")

FAMILY: dict[type[errors.RecommenderError], str] = {
    errors.NotReady: "not_ready",
    errors.Refused: "refused",
    errors.Missing: "not_found",
    errors.BadData: "bad_data",
}


def respond(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Answer with a problem: its type is an address that explains it."""
    body = {
        "type": _type_of(request, problem.code),
        "title": str(problem.kind.title),
        "status": problem.kind.status,
        "detail": problem.detail,
        "instance": request.path,
        "request_id": getattr(request, "request_id", ""),
        "errors": [error.as_json() for error in problem.errors],
        **problem.extra,
    }
    payload = orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
    response = HttpResponse(payload, status=problem.kind.status, content_type=CONTENT_TYPE)
    response["Cache-Control"] = "no-store"
    for name, value in problem.headers.items():
        response[name] = value
    return response


def translate(exception: Exception) -> Problem | None:
    """Turn an exception that somebody raised on purpose into a problem; None = a defect of ours."""
    if isinstance(exception, Problem):
        return exception
    if isinstance(exception, errors.RecommenderError):
        return _of_family(exception)
    if isinstance(exception, RequestDataTooBig):
        return Problem("too_large", _("The body is larger than 2 MB; split it."))
    if isinstance(exception, UnreadablePostError | RawPostDataException | SuspiciousOperation):
        return Problem("bad_request", _("The request could not be read to its end."))
    if isinstance(exception, Http404):
        return Problem("not_found", _("There is no such address or object."))
    if isinstance(exception, drf.APIException):
        return _of_drf(exception)
    if isinstance(exception, OperationalError):
        # Nothing was stored: a caller that sends the request again loses nothing.
        log.error("database_unavailable", error=str(exception))
        detail = _("The database does not answer; nothing was stored.")
        return Problem("not_ready", detail, headers=RETRY_SOON)
    return None


def handle(exception: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Answer for DRF's views (the setting EXCEPTION_HANDLER); None lets a defect travel on."""
    problem = translate(exception)
    return respond(context["request"]._request, problem) if problem else None


def field_errors(detail: Any, location: str, pointer: str = "") -> Iterator[FieldError]:
    """Flatten DRF's nested error lists into one entry per wrong field."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            own = "" if name == "non_field_errors" else f"/{_escape(str(name))}"
            yield from field_errors(inner, location, pointer + own)
    elif isinstance(detail, list) and any(isinstance(entry, Mapping | list) for entry in detail):
        for index, inner in enumerate(detail):
            if inner:
                yield from field_errors(inner, location, f"{pointer}/{index}")
    elif isinstance(detail, list):
        for entry in detail:
            yield from field_errors(entry, location, pointer)
    else:
        yield FieldError(pointer, getattr(detail, "code", "invalid"), str(detail), location)


def invalid(found: tuple[FieldError, ...]) -> Problem:
    """Sum up wrong fields as one problem that names the first."""
    first = found[0]
    where = first.pointer.lstrip("/") or first.location
    return Problem("invalid_input", f"{where}: {first.detail}", errors=found)


class ApiErrors:
    """Middleware: whatever fails under `/api/`, wherever, leaves as problem+json."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Replace failures that Django worded as a page (404, 405, bad host, 500)."""
        response = self.get_response(request)
        if response.status_code < 400 or not request.path.startswith("/api/"):
            return response
        if response.headers.get("Content-Type", "").startswith(CONTENT_TYPE):
            return response
        problem = _of_status(response.status_code)
        if response.has_header("Allow"):
            problem.headers["Allow"] = response["Allow"]
        return respond(request, problem)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer for views outside DRF."""
        if not request.path.startswith("/api/"):
            return None
        problem = translate(exception)
        return respond(request, problem) if problem else None


def _type_of(request: HttpRequest, code: str) -> str:
    path = f"/api/problems/{code}/"
    try:
        return request.build_absolute_uri(path)
    except SuspiciousOperation:  # a forged Host header: a relative reference is still valid
        return path


def _of_family(exception: errors.RecommenderError) -> Problem:
    field = getattr(exception, "field", None)
    if isinstance(exception, errors.BadData) and field:
        return invalid((FieldError(f"/{field}", exception.code, str(exception)),))
    for kind, code in FAMILY.items():
        if isinstance(exception, kind):
            headers = RETRY_SOON if code == "not_ready" else None
            return Problem(code, str(exception), headers=headers)
    return Problem("bad_request", str(exception))


def _of_drf(exception: drf.APIException) -> Problem:
    if isinstance(exception, drf.ValidationError):
        return invalid(tuple(field_errors(exception.detail, "body")))
    problem = _of_status(exception.status_code)
    problem.detail = str(exception.detail)
    return problem


def _of_status(status: int) -> Problem:
    code = BY_STATUS.get(status, "server_error" if status >= 500 else "bad_request")
    details = {
        404: _("There is no such address or object."),
        405: _("This address does not take this method."),
        406: _("Only application/json can be answered."),
        415: _("Only application/json is understood here."),
        500: _("An unexpected error; it was logged with the request id."),
    }
    return Problem(code, details.get(status, _("The request was refused.")))


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
