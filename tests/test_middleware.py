from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from recommender.middleware import RequestLog


def answer(request: HttpRequest) -> HttpResponse:
    return HttpResponse("fine")


def call(handler: Callable[[HttpRequest], HttpResponse], **headers: str) -> HttpResponse:
    return RequestLog(handler)(RequestFactory().get("/x", headers=headers))


def test_a_well_formed_request_id_comes_back() -> None:
    assert call(answer, **{"X-Request-Id": "abc-12345"})["X-Request-Id"] == "abc-12345"


@pytest.mark.parametrize("given", ["short", "a" * 65, "with space 123", "line\nbreak123"])
def test_a_bad_request_id_is_replaced(given: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", call(answer, **{"X-Request-Id": given})["X-Request-Id"])


def test_every_answer_tells_its_time() -> None:
    assert re.fullmatch(r"rec;dur=\d+\.\d", call(answer)["Server-Timing"])


def test_a_view_may_tell_its_own_time() -> None:
    def timed(request: HttpRequest) -> HttpResponse:
        return HttpResponse(headers={"Server-Timing": "rec;dur=1.0"})

    assert call(timed)["Server-Timing"] == "rec;dur=1.0"


def test_an_exception_passes_through() -> None:
    def broken(request: HttpRequest) -> HttpResponse:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        call(broken)
