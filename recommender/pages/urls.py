"""Addresses of the site. With several catalogs, each one's pages also stand under `/<catalog>/`."""

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path


def soon(request: HttpRequest, **kwargs: object) -> HttpResponse:
    """Hold the place of a page."""
    return HttpResponse("")


PAGES: list[URLPattern | URLResolver] = [
    path("", soon, name="home"),
    path("browse/", soon, name="browse"),
    path("search/", soon, name="search"),
    path("history/", soon, name="history"),
    path("hidden/", soon, name="hidden"),
    path("undo/", soon, name="undo"),
    path("preferences/privacy/", soon, name="privacy"),
    path("about/ranking/", soon, name="about_ranking"),
]
SHARED: list[URLPattern | URLResolver] = [
    path("preferences/theme/", soon, name="theme"),
    path("accounts/login/", soon, name="login"),
    path("accounts/logout/", soon, name="logout"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("", include((SHARED + PAGES, "site"))),
    path("<slug:catalog_slug>/", include((PAGES, "site"), namespace="catalog")),
]
