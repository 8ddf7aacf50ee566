"""The API's own pages: the OpenAPI file, the reference and what each kind of problem means."""

from typing import Any, ClassVar

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from recommender.api import body, reference, snippets
from recommender.api.problems import KINDS
from recommender.api.schema import document
from recommender.api.views import ApiView

KEY_PLACEHOLDER = "sk_YOUR_KEY"


class OpenApi(ApiView):
    """The machine-readable description of all this."""

    scopes: ClassVar = {"GET": None}
    is_resource: ClassVar = True

    @extend_schema(
        operation_id="getOpenApi",
        summary=_("Read this description as OpenAPI 3.1"),
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, _request: Request) -> HttpResponse:
        """Answer the document."""
        return body.answer(document(get_language() or "en"))


@require_safe
def docs_page(request: HttpRequest) -> HttpResponse:
    """Show the reference: first steps that run, then every operation."""
    base = f"{request.scheme}://{request.get_host()}"
    context: dict[str, Any] = {
        "base": base,
        "key": KEY_PLACEHOLDER,
        "snippets": [snippets.render(one, base, KEY_PLACEHOLDER) for one in snippets.SNIPPETS],
        "groups": reference.groups(document(get_language() or "en")),
        "kinds": [(code, kind) for code, kind in KINDS.items()],
    }
    return render(request, "api/docs.html", context)


@require_safe
def problem_page(request: HttpRequest, code: str) -> HttpResponse:
    """Explain one kind of problem; the `type` of each problem leads here."""
    kind = KINDS.get(code)
    if kind is None:
        raise Http404
    return render(request, "api/problem.html", {"code": code, "kind": kind})
