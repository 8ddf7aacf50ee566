"""Say who may see and who may act under /ops/, and which catalog a page is about."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from urllib.parse import urlencode

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from recommender.catalog.models import Catalog
from recommender.dashboard.queries_data import catalogs
from recommender.errors import Missing, RecommenderError

View = Callable[..., HttpResponse]
OPERATE = "recommender.change_modelversion"


def can_operate(request: HttpRequest) -> bool:
    """Tell whether this account may change what serves; other staff may read everything."""
    return request.user.has_perm(OPERATE)


def reader(view: View) -> View:
    """Let staff read: anonymous visitors are sent to log in, others get 403, unknown rows 404."""
    return _guarded(require_safe(view))


def operator(view: View) -> View:
    """Let operators act by POST; viewers get 403."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not can_operate(request):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return _guarded(require_POST(checked))


def operator_page(view: View) -> View:
    """Let operators read a page whose only use is to act, such as the form of a retraining."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not can_operate(request):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return _guarded(checked)


def _guarded(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_staff:
            raise PermissionDenied
        try:
            return view(request, *args, **kwargs)
        except Missing as missing:
            raise Http404(str(missing)) from missing

    # Plotly writes style attributes; under a strict style-src it draws a broken chart, silently.
    styled = csp_update({"style-src": [UNSAFE_INLINE]})(login_required(guarded))
    return cast("View", never_cache(styled))


def scope(request: HttpRequest) -> Catalog | None:
    """Find the catalog of a page: `?catalog=` or the default; None before the first one exists.

    Raises: Missing when the named catalog does not exist. One query.
    """
    found = catalogs()
    request.ops_catalogs = found  # type: ignore[attr-defined]
    slug = request.GET.get("catalog")
    if not slug:
        return found[0] if found else None
    for catalog in found:
        if catalog.slug == slug:
            return catalog
    raise Missing(f"There is no catalog {slug!r}.")


def required_scope(request: HttpRequest) -> Catalog:
    """Find the catalog of a page that makes no sense without one.

    Raises: Missing.
    """
    catalog = scope(request)
    if catalog is None:
        raise Missing(_("There is no catalog yet. Import items first."))
    return catalog


def page(
    request: HttpRequest,
    template: str,
    catalog: Catalog | None,
    context: dict[str, Any],
    *,
    here: str,
) -> HttpResponse:
    """Render a page of the panel with what its frame needs; `here` marks the side navigation."""
    found = getattr(request, "ops_catalogs", [])
    shared = {
        "catalog": catalog,
        "catalogs": found if len(found) > 1 else [],
        "here": here,
        "can_operate": can_operate(request),
        # Links keep the catalog only where it is not the default, so that addresses stay short.
        "scope_query": _scope_query(catalog, found),
    }
    return render(request, f"dashboard/{template}", shared | context)


def _scope_query(catalog: Catalog | None, found: list[Catalog]) -> dict[str, str]:
    is_default = not found or catalog is None or catalog.pk == found[0].pk
    return {} if is_default or catalog is None else {"catalog": catalog.slug}


def back_to(request: HttpRequest, address: str) -> HttpResponse:
    """Redirect inside the panel, keeping the catalog that the form's address named."""
    slug = request.GET.get("catalog", "")
    return redirect(f"{address}?{urlencode({'catalog': slug})}" if slug else address)


def attempt(request: HttpRequest, act: Callable[[], str]) -> bool:
    """Run one action; say its sentence, or why it was refused. Return whether it was done."""
    try:
        messages.success(request, act())
    except RecommenderError as problem:
        messages.error(request, str(problem))
        return False
    return True
