"""Idempotency-Key: do the work once, then answer the same bytes again for 24 hours."""

import re
from collections.abc import Callable
from hashlib import sha256

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from recommender.accounts import idempotency
from recommender.accounts.models import ApiKey, IdempotentReply
from recommender.api import body
from recommender.api.errors import invalid, respond, translate
from recommender.api.problems import FieldError, Problem

SHAPE = re.compile(r"[\x21-\x7e]{1,255}")
KEPT_HEADERS = ("Location", "Link", "ETag", "Cache-Control")


def first_or_again(
    request: HttpRequest, key: ApiKey, name: str, run: Callable[[], HttpResponse]
) -> HttpResponse:
    """Run a request once per key and name; afterwards replay the first answer.

    Raises: Problem 409 while the first is at work, 422 when the name came with another request.
    """
    if not SHAPE.fullmatch(name):
        detail = _("Send 1 to 255 visible ASCII characters without spaces.")
        raise invalid((FieldError("/Idempotency-Key", "invalid", detail, "header"),))
    begun = idempotency.begin(key=key, idempotency_key=name, request_hash=_digest(request))
    if begun.state == "replay":
        return _again(begun.reply)
    if begun.state == "in_flight":
        detail = _("Idempotency-Key %(name)s: the first request has not been answered yet.")
        raise Problem(
            "idempotency_in_flight", detail % {"name": name}, headers={"Retry-After": "1"}
        )
    if begun.state == "mismatch":
        detail = _("Idempotency-Key %(name)s was used with another address or body.")
        raise Problem("idempotency_mismatch", detail % {"name": name})
    return _first(request, begun.reply, run)


def _first(
    request: HttpRequest, reply: IdempotentReply, run: Callable[[], HttpResponse]
) -> HttpResponse:
    try:
        response = run()
    except Exception as exception:
        problem = translate(exception)
        if problem is None or problem.kind.status >= 500:
            idempotency.abandon(reply=reply)  # nothing was done: the caller may try again
            raise
        response = respond(request, problem)
    if response.status_code >= 500:
        idempotency.abandon(reply=reply)
        return response
    idempotency.finish(
        reply=reply,
        status=response.status_code,
        content_type=response.headers.get("Content-Type", ""),
        headers={name: response[name] for name in KEPT_HEADERS if name in response.headers},
        body=response.content,
    )
    return response


def _again(reply: IdempotentReply) -> HttpResponse:
    response = HttpResponse(
        bytes(reply.body), status=reply.status, content_type=reply.content_type or None
    )
    for name, value in reply.headers.items():
        response[name] = value
    response["Idempotent-Replayed"] = "true"
    return response


def _digest(request: HttpRequest) -> str:
    said = (request.method, request.get_full_path(), request.content_type or "")
    return sha256("\n".join(map(str, said)).encode() + b"\n" + body.read_raw(request)).hexdigest()
