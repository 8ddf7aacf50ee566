"""One log line per request, a request id on every answer, and server timing."""

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

log = structlog.get_logger("recommender.request")
ID_SHAPE = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestLog:
    """Bind a request id (the caller's `X-Request-Id` when well formed), log the outcome once."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Time the request; static files are not logged."""
        started = time.perf_counter()
        given = request.headers.get("X-Request-Id", "")
        request.request_id = given if ID_SHAPE.fullmatch(given) else uuid.uuid4().hex  # type: ignore[attr-defined]
        structlog.contextvars.bind_contextvars(request_id=request.request_id)  # type: ignore[attr-defined]
        try:
            response = self.get_response(request)
            spent_ms = (time.perf_counter() - started) * 1000
            response["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
            if not response.has_header("Server-Timing"):
                response["Server-Timing"] = f"rec;dur={spent_ms:.1f}"
            if not request.path.startswith("/static/"):
                log.info(
                    "request",
                    method=request.method,
                    path=request.path,
                    status=response.status_code,
                    ms=round(spent_ms, 1),
                )
            return response
        finally:
            structlog.contextvars.clear_contextvars()
