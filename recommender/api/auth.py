"""Who calls: a key in the Authorization header, what it may do, and from where."""

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from recommender.accounts.keys import authenticate
from recommender.accounts.models import ApiKey
from recommender.api.problems import Problem

if TYPE_CHECKING:  # DRF's views import this module by its setting: importing them back would loop
    from rest_framework.views import APIView

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="RecLoop"'}
BROWSER_SCOPES = frozenset({"recommend", "events"})


def bearer(request: HttpRequest) -> str:
    """Read the key from the Authorization header; empty when there is none."""
    scheme, _space, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def identify(request: HttpRequest, plaintext: str) -> ApiKey:
    """Find the key and remember it on the request. Costs no query once the key table is read.

    Raises: Problem 401 for a key that is missing, unknown, expired or revoked.
    """
    if not plaintext:
        detail = _("No key came with the request; send Authorization: Bearer sk_….")
        raise Problem("unauthorized", detail, headers=CHALLENGE)
    key = authenticate(plaintext)
    if key is None:
        detail = _("The key is unknown, expired or revoked.")
        raise Problem("unauthorized", detail, headers=CHALLENGE)
    request.api_key = key  # type: ignore[attr-defined]
    return key


def key_of(request: HttpRequest) -> ApiKey:
    """Return the key that `identify` found; every guarded view has one."""
    key: ApiKey = request.api_key  # type: ignore[attr-defined]
    return key


def has_scope(key: ApiKey, scope: str) -> bool:
    """Say whether a key may do this. A publishable key never gains more than a browser's scopes."""
    if key.kind == ApiKey.Kind.PUBLISHABLE and scope not in BROWSER_SCOPES:
        return False
    return scope in key.scopes


def require(request: HttpRequest, key: ApiKey, scope: str) -> None:
    """Check scope and origin.

    Raises: Problem 403 naming the scope that is missing, or the origin that is not allowed.
    """
    if not has_scope(key, scope):
        detail = _("This needs a key with the scope “%(scope)s”.") % {"scope": scope}
        raise Problem("missing_scope", detail)
    origin = request.headers.get("Origin", "")
    if key.kind == ApiKey.Kind.PUBLISHABLE and origin and not may_come_from(request, key, origin):
        detail = _("The key's allow-list does not hold the origin %(origin)s.") % {"origin": origin}
        raise Problem("foreign_origin", detail)


def may_come_from(request: HttpRequest, key: ApiKey, origin: str) -> bool:
    """Say whether a browser's Origin is ours or on the key's list."""
    return origin in key.origins or origin == f"{request.scheme}://{request.get_host()}"


def refuse_user(key: ApiKey, user: str | None) -> None:
    """Keep publishable keys to anonymous visitors: anybody can read them out of a page."""
    if user is not None and key.kind == ApiKey.Kind.PUBLISHABLE:
        detail = _("user is %(user)r; a publishable key cannot name a user.") % {"user": user}
        raise Problem("anonymous_only", detail)


class KeyAuthentication(BaseAuthentication):
    """Tell DRF which key `recommender.api.door` found. Open addresses never look for one."""

    def authenticate(self, request: Request) -> tuple[Any, ApiKey] | None:
        """Return the key, or None where the door let everybody in."""
        key = getattr(request._request, "api_key", None)
        return None if key is None else (None, key)

    def authenticate_header(self, _request: Request) -> str:
        """Name the scheme, so that DRF answers 401 and not 403."""
        return CHALLENGE["WWW-Authenticate"]


class HasScope(BasePermission):
    """Let a key through when it holds the scope that the view names for the method."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Refuse methods that name no scope; a scope of None is open to everybody."""
        scopes = getattr(view, "scopes", {})
        method = "GET" if request.method == "HEAD" else str(request.method)
        scope = scopes.get(method, "")
        if scope is None:
            return True
        return isinstance(request.auth, ApiKey) and has_scope(request.auth, scope)
