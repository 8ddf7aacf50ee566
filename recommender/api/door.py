"""The door that every API view stands behind: one place for all conventions of the protocol.

In order: browser preflight, method, `Accept`, key and scope and origin, rate limit, content type,
Idempotency-Key, the view itself, then ETag, caching, limits, CORS and compression. Cold views (DRF)
and hot views (plain functions) pass the same door; `recommender.api.views.ApiView` tells its rules.
"""

import functools
import gzip
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, cast

from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from recommender.accounts.models import ApiKey
from recommender.api import auth, body, budget, queries, replies
from recommender.api.errors import respond, translate
from recommender.api.problems import Problem

if TYPE_CHECKING:
    from recommender.api.views import ApiView

View = Callable[..., HttpResponse]
EXPOSED = "ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
PACKED_FROM = 1400  # bytes; one network packet is not worth packing
WITH_BODY = frozenset({"POST", "PUT"})


def door(cls: "type[ApiView]") -> View:
    """Wrap a view class for the URLconf; its `plain` function, where it has one, skips DRF."""
    inner = cls.plain or cls.as_view()

    @csrf_exempt  # keys, not cookies: there is no ambient authority that another site could use
    @functools.wraps(inner)
    def enter(request: HttpRequest, **kwargs: str) -> HttpResponse:
        """Answer one request."""
        if request.method == "OPTIONS":
            return _preflight(request, cls)
        extra: dict[str, str] = {}
        try:
            _check_form(request, cls, kwargs)
            key = _admit(request, cls)
            if key is not None:
                extra = budget.charge(key, cls.costs.get(str(request.method), 1)).headers()
            response = _answer(request, key, functools.partial(_run, inner, request, kwargs))
            _finish(request, response, cls)
        except Exception as exception:
            problem = translate(exception)
            if problem is None:
                raise
            response = respond(request, problem)
        for name, value in extra.items():
            response.headers.setdefault(name, value)
        _allow_origin(request, response)
        _pack(request, response)
        return response

    enter.cls = cls  # type: ignore[attr-defined]
    enter.initkwargs = {}  # type: ignore[attr-defined]
    return enter


def _check_form(request: HttpRequest, cls: "type[ApiView]", kwargs: dict[str, str]) -> None:
    method = "GET" if request.method == "HEAD" else str(request.method)
    if method not in cls.scopes:
        allow = ", ".join(sorted({*cls.scopes, "OPTIONS"}))
        detail = _("%(method)s is not possible here; this address takes %(allow)s.")
        detail %= {"method": str(request.method)[:20], "allow": allow}
        raise Problem("method_not_allowed", detail, headers={"Allow": allow})
    if not _accepts_json(request):
        detail = _("Accept is %(accept)r; only application/json can be answered.")
        raise Problem("not_acceptable", detail % {"accept": request.headers["Accept"][:100]})
    if "%00" in request.META.get("QUERY_STRING", "") or any("\0" in v for v in kwargs.values()):
        raise Problem("bad_request", _("The address holds the character NUL."))
    if method in WITH_BODY:
        _check_media(request, cls)


def _check_media(request: HttpRequest, cls: "type[ApiView]") -> None:
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding not in {"", "identity"}:
        detail = _("Content-Encoding is %(name)r; send the body as it is.")
        raise Problem("unsupported_media_type", detail % {"name": encoding[:40]})
    kind = body.media_type(request)
    has_body = request.META.get("CONTENT_LENGTH") not in {None, "", "0"}
    if has_body and kind not in cls.media:
        detail = _("Content-Type is %(name)r; this address takes %(known)s.")
        known = ", ".join(cls.media)
        raise Problem("unsupported_media_type", detail % {"name": kind[:80], "known": known})


def _accepts_json(request: HttpRequest) -> bool:
    accept = request.headers.get("Accept", "")
    if not accept or "*/*" in accept or "application/json" in accept:
        return True
    names = {part.split(";")[0].strip().lower() for part in accept.split(",")}
    return bool(names & {"application/*", "application/json", "application/problem+json"})


def _admit(request: HttpRequest, cls: "type[ApiView]") -> ApiKey | None:
    method = "GET" if request.method == "HEAD" else str(request.method)
    scope = cls.scopes[method]
    if scope is None:
        return None
    plaintext = auth.bearer(request)
    if not plaintext and cls.key_in_body is not None:
        plaintext = cls.key_in_body(request)
    key = auth.identify(request, plaintext)
    auth.require(request, key, scope)
    return key


def _answer(
    request: HttpRequest, key: ApiKey | None, run: Callable[[], HttpResponse]
) -> HttpResponse:
    name = request.headers.get("Idempotency-Key")
    if request.method != "POST" or key is None or name is None:
        return run()
    return replies.first_or_again(request, key, name, run)


def _run(inner: View, request: HttpRequest, kwargs: dict[str, str]) -> HttpResponse:
    response = inner(request, **kwargs)
    if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
        response.render()  # the ETag and the stored reply need the bytes
    return response


def _finish(request: HttpRequest, response: HttpResponse, cls: "type[ApiView]") -> None:
    if not cls.is_resource or request.method not in {"GET", "HEAD"}:
        response.headers.setdefault("Cache-Control", "no-store")
        return
    if response.status_code != 200:
        return
    etag = f'"{sha256(response.content).hexdigest()[:32]}"'
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"  # keep it, and ask before each use
    patch_vary_headers(response, ["Authorization", "Accept-Language"])
    if _matches(request.headers.get("If-None-Match", ""), etag):
        response.status_code = 304
        response.content = b""
        del response["Content-Type"]


def _pack(request: HttpRequest, response: HttpResponse) -> None:
    patch_vary_headers(response, ["Accept-Encoding"])
    is_asked = "gzip" in request.headers.get("Accept-Encoding", "")
    if not is_asked or len(response.content) < PACKED_FROM:
        return
    # Level 1: most of the gain for a tenth of the time. No clock in it: same bytes, same answer.
    response.content = gzip.compress(response.content, compresslevel=1, mtime=0)
    response["Content-Encoding"] = "gzip"


def _matches(asked: str, etag: str) -> bool:
    named = {part.strip().removeprefix("W/") for part in asked.split(",")}
    return "*" in named or etag in named


def _preflight(request: HttpRequest, cls: "type[ApiView]") -> HttpResponse:
    allow = ", ".join(sorted({*cls.scopes, "OPTIONS"}))
    response = HttpResponse(status=204, headers={"Allow": allow, "Cache-Control": "no-store"})
    origin = request.headers.get("Origin", "")
    browsers_may = not auth.BROWSER_SCOPES.isdisjoint(cls.scopes.values())
    if origin and browsers_may and origin in queries.allowed_origins():
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Allow-Methods"] = allow
        response["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Idempotency-Key"
        response["Access-Control-Max-Age"] = "600"
    patch_vary_headers(response, ["Origin"])
    return response


def _allow_origin(request: HttpRequest, response: HttpResponse) -> None:
    key = cast("ApiKey | None", getattr(request, "api_key", None))
    if key is None or key.kind != ApiKey.Kind.PUBLISHABLE:
        return
    patch_vary_headers(response, ["Origin"])
    origin = request.headers.get("Origin", "")
    if origin and auth.may_come_from(request, key, origin):
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Expose-Headers"] = EXPOSED
