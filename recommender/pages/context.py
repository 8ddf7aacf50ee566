"""What every page's template may read."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from recommender.catalog.models import Catalog
from recommender.pages import queries

THEMES = ("light", "dark", "auto")
THEME_COOKIE = "theme"


def theme_of(request: HttpRequest) -> str:
    """Return the visitor's theme: the cookie's, else the account's, else `auto`."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    if chosen not in THEMES:
        chosen = getattr(getattr(request, "user", None), "theme", "")
    return chosen if chosen in THEMES else "auto"


def here(request: HttpRequest) -> str:
    """Return the present address as a form's `next`: without the name of a fragment."""
    asked = request.GET.copy()
    asked.pop("fragment", None)
    return f"{request.path}?{asked.urlencode()}" if asked else request.path


def site(request: HttpRequest) -> dict[str, Any]:
    """Give templates the request id, the theme and, read only when used, the default catalog."""
    catalog: Catalog | None = SimpleLazyObject(queries.default_catalog)  # type: ignore[assignment]
    return {
        "request_id": getattr(request, "request_id", ""),
        "theme": theme_of(request),
        "here": here(request),
        "catalog": catalog,
        "catalog_prefix": "",
    }
