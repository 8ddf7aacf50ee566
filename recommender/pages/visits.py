"""One visit: whose pages, who is looking, and how a view answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from hashlib import sha256
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from recommender.catalog.models import Catalog
from recommender.collect.models import Event, User
from recommender.collect.services import (
    EventResult,
    NewEvent,
    anonymous_user,
    record_events,
    user_for_account,
)
from recommender.collect.tokens import BadToken
from recommender.errors import BadData, Missing, NotReady, RecommenderError, Refused
from recommender.pages import queries
from recommender.serve.answers import ListRequest

P = ParamSpec("P")
VISITORS = "visitors"  # session: {catalog key: user key} of a visitor who is not signed in
OFF = "personalization_off"  # session: switched off for this visit only
STATUS: dict[type[Exception], int] = {
    Missing: 404,
    BadData: 400,
    BadToken: 404,
    Refused: 403,
    NotReady: 503,
}


@dataclass
class Visit:
    """Who looks at which catalog's pages. `user` is None until a visitor first does something."""

    request: HttpRequest
    catalog: Catalog
    prefix: str  # the catalog's slug when the address names it
    user: User | None

    @property
    def is_personalized(self) -> bool:
        """Tell whether lists may use what this person did."""
        lasting = self.user.is_personalized if self.user else True
        return lasting and not self.request.session.get(OFF, False)

    @property
    def session_id(self) -> str:
        """Name the browser session without giving its key away."""
        key = self.request.session.session_key
        return sha256(key.encode()).hexdigest()[:32] if key else ""

    @property
    def wants_fragments(self) -> bool:
        """Tell whether the page's script asks, which swaps fragments instead of reloading."""
        return "X-Fragment" in self.request.headers

    def list_request(self, surface: str, **options: Any) -> ListRequest:
        """Ask `serve` for a list in this visit's name."""
        agent = self.request.headers.get("User-Agent", "")
        return ListRequest(
            catalog=self.catalog,
            user=self.user,
            surface=surface,
            is_personalized=self.is_personalized,
            session_id=self.session_id,
            device="mobile" if "Mobi" in agent else "desktop",
            locale=get_language() or settings.LANGUAGE_CODE,
            request_id=getattr(self.request, "request_id", ""),
            **options,
        )

    def record(self, *events: NewEvent) -> list[EventResult]:
        """Store what the visitor did; whoever is not known yet becomes a user with this."""
        self.user = self.user or self._become_user()
        return record_events(
            catalog=self.catalog,
            events=events,
            source=Event.Source.WEB,
            default_user=self.user,
        )

    def look(self, *events: NewEvent) -> None:
        """Log views and clicks, which lists count; with personalization off, as nobody's."""
        if self.is_personalized:
            self.record(*events)
            return
        record_events(catalog=self.catalog, events=events, source=Event.Source.WEB)

    def _become_user(self) -> User:
        session = self.request.session
        if not session.session_key:
            session.create()
        user = anonymous_user(catalog=self.catalog, session_key=str(session.session_key))
        session[VISITORS] = session.get(VISITORS, {}) | {str(self.catalog.pk): user.pk}
        return user

    def address(self, name: str, *args: object) -> str:
        """Return the address of a page of this catalog."""
        if self.prefix:
            return reverse(f"catalog:{name}", args=[self.prefix, *args])
        return reverse(f"site:{name}", args=args)

    def next_address(self) -> str:
        """Return where a form wants to go on, when that is a page of ours; else home."""
        return safe_next(self.request) or self.address("home")

    def render(self, template: str, context: Mapping[str, Any], status: int = 200) -> HttpResponse:
        """Render a page or fragment of this visit; it is private and never reused unasked."""
        extra: dict[str, Any] = {
            "catalog": self.catalog,
            "catalog_prefix": self.prefix,
            "visit": self,
        }
        if self.request.method == "POST":
            extra["here"] = self.next_address()
        response = render(self.request, template, extra | dict(context), status=status)
        patch_cache_control(response, private=True, no_cache=True)
        return response


def safe_next(request: HttpRequest) -> str:
    """Return the form's or query's `next` when it stays on this site; else an empty string."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else ""


def on_site(
    view: Callable[Concatenate[Visit, P], HttpResponse],
) -> Callable[..., HttpResponse]:
    """Give a view its visit, and turn the errors that it raises on purpose into pages."""

    @wraps(view)
    def inner(
        request: HttpRequest, /, catalog_slug: str = "", *args: P.args, **kwargs: P.kwargs
    ) -> HttpResponse:
        catalog = queries.find_catalog(catalog_slug)
        if catalog is None:
            return _no_catalog(request, catalog_slug)
        visit = Visit(request, catalog, catalog_slug, _who(request, catalog))
        try:
            return view(visit, *args, **kwargs)
        except (RecommenderError, BadToken) as error:
            status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 400)
            text = "" if isinstance(error, BadToken) else str(error)
            context = {"status": status, "message": text, "text": text, "level": "error"}
            template = "_answer.html" if visit.wants_fragments else "error.html"
            return visit.render(f"pages/{template}", context, status)

    return inner


def _no_catalog(request: HttpRequest, slug: str) -> HttpResponse:
    if slug:
        raise Http404(slug)
    text = _("There is no catalog yet. Load the demo with “make demo”, or import your own data.")
    return render(request, "pages/error.html", {"status": 503, "message": text}, status=503)


def _who(request: HttpRequest, catalog: Catalog) -> User | None:
    if request.user.is_authenticated:
        known = queries.user_of_account(catalog, request.user.pk)
        return known or user_for_account(catalog=catalog, account=request.user)
    key = request.session.get(VISITORS, {}).get(str(catalog.pk))
    return queries.visitor(catalog, key) if key else None
