"""How sound the data is, what was refused, who decided what, what one user sees, and API keys."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from recommender.accounts import keys as account_keys
from recommender.catalog.models import Catalog
from recommender.dashboard import (
    charts_traffic,
    findings,
    queries_data,
    queries_models,
    queries_search,
)
from recommender.dashboard.access import (
    attempt,
    back_to,
    operator,
    operator_page,
    page,
    reader,
    required_scope,
)
from recommender.dashboard.queries_models import VersionRow
from recommender.dashboard.views_overview import RANGES, read_window
from recommender.errors import BadData, Missing, RecommenderError
from recommender.promote.models import ModelVersion
from recommender.serve import services as serve

INSPECTED = 20


@reader
def data(request: HttpRequest) -> HttpResponse:
    """Say in sentences what is wrong with the data, and what to do."""
    catalog = required_scope(request)
    window = read_window(request, catalog)
    facts = queries_data.data_facts(window)
    context = {
        "facts": facts,
        "findings": findings.about_data(facts),
        "volume": charts_traffic.volume_by_type(queries_data.events_by_type(window), window.today),
        "imports": queries_data.imports(catalog),
        "days": (window.today - window.first_day).days + 1,
        "ranges": RANGES,
    }
    return page(request, "data.html", catalog, context, here="data")


@reader
def events(request: HttpRequest) -> HttpResponse:
    """Show the tail of refused events with what came and why."""
    catalog = required_scope(request)
    code = request.GET.get("code", "")
    context = {
        "rejected": queries_data.rejected_events(catalog, code=code),
        "codes": queries_data.rejected_codes(catalog),
        "code": code,
        "most": queries_data.TAIL,
    }
    return page(request, "events.html", catalog, context, here="data")


@reader
def audit(request: HttpRequest) -> HttpResponse:
    """List every decision about what serves and how models train: when, who, why."""
    catalog = required_scope(request)
    context = {
        "decisions": queries_models.decisions(catalog),
        "changes": queries_search.settings_changes(catalog),
    }
    return page(request, "audit.html", catalog, context, here="audit")


@reader
def inspect(request: HttpRequest) -> HttpResponse:
    """Show what a user would see under one or two versions, and why an item is not there."""
    catalog = required_scope(request)
    asked = {name: request.GET.get(name, "").strip() for name in ("user", "a", "b", "item")}
    rows = queries_models.versions(catalog)
    context: dict[str, Any] = {
        "asked": asked,
        "rows": rows,
        "suggested": queries_data.some_users(catalog),
        "most": INSPECTED,
    }
    if asked["user"] or asked["item"]:
        context |= _trace(catalog, asked, rows)
    return page(request, "inspect.html", catalog, context, here="inspect")


def _trace(catalog: Catalog, asked: dict[str, str], rows: list[VersionRow]) -> dict[str, Any]:
    user = queries_data.find_user(catalog, asked["user"]) if asked["user"] else None
    try:
        trace = serve.trace(
            catalog=catalog,
            user=user,
            version=_version(rows, asked["a"]),
            other=_version(rows, asked["b"]),
            item=asked["item"] or None,
        )
    except RecommenderError as problem:
        return {"problem": str(problem), "user": user}
    return {"trace": trace, "user": user, "is_unknown": user is None and bool(asked["user"])}


def _version(rows: list[VersionRow], label: str) -> ModelVersion | None:
    number = label.removeprefix("v")
    return next((row.version for row in rows if str(row.version.number) == number), None)


@operator_page
def keys(request: HttpRequest) -> HttpResponse:
    """List API keys; a POST makes one and shows it, this once."""
    catalog = required_scope(request)
    context: dict[str, Any] = {
        "scopes": account_keys.SCOPES,
        "publishable": account_keys.PUBLISHABLE_SCOPES,
    }
    if request.method == "POST":
        context |= _make_key(request, catalog)
    context["keys"] = account_keys.keys_of(catalog)
    return page(request, "keys.html", catalog, context, here="keys")


def _make_key(request: HttpRequest, catalog: Catalog) -> dict[str, Any]:
    name = request.POST.get("name", "").strip()[:100]
    try:
        if not name:
            raise BadData(_("The name is empty; say which program will use the key."))
        key, plaintext = account_keys.make_key(
            catalog=catalog,
            name=name,
            kind=request.POST.get("kind", "sk"),
            scopes=request.POST.getlist("scopes"),
            created_by=request.user.get_username(),
        )
    except RecommenderError as problem:
        return {"problem": str(problem), "name": name}
    return {"made": key, "plaintext": plaintext}


@operator
def revoke(request: HttpRequest, key_id: int) -> HttpResponse:
    """Revoke a key: it stops working within five seconds."""
    catalog = required_scope(request)
    key = queries_data.find_key(catalog, key_id)
    if key is None:
        raise Missing(_("There is no such key."))

    def act() -> str:
        account_keys.revoke_key(key=key)
        return _("The key %(name)s is revoked.") % {"name": key.name}

    attempt(request, act)
    return back_to(request, reverse("dashboard:keys"))
