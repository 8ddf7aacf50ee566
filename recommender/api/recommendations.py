"""Lists: personal, similar, found and ranked. The first is hot and runs without DRF."""

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from recommender.api import auth, body, lists, people
from recommender.api.errors import invalid
from recommender.api.fields import Strict, external_id
from recommender.api.problems import FieldError
from recommender.api.views import ApiView
from recommender.serve import services
from recommender.serve.answers import ListRequest


def answer_recommendations(request: HttpRequest) -> HttpResponse:
    """Answer a personal list. No query here beyond what `serve` reads."""
    asked = lists.make_request(request, lists.read_query(request.GET))
    return lists.respond(request, services.recommend(asked), asked)


class Recommendations(ApiView):
    """Personal lists."""

    scopes: ClassVar = {"GET": "recommend"}
    plain: ClassVar = staticmethod(answer_recommendations)

    @extend_schema(
        operation_id="getRecommendations",
        summary=gettext_lazy("Get a list for a user"),
        description=gettext_lazy(
            "Unknown users get a good list with `strategy: cold_start`. Send the tokens "
            "back with what the user did. A cursor pins its slate: page 2 never repeats page 1."
        ),
        parameters=[lists.ListQuery],
        responses=lists.ListOutput,
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer as the plain view does."""
        return answer_recommendations(request._request)


class Similar(ApiView):
    """Lists about one item."""

    scopes: ClassVar = {"GET": "recommend"}

    @extend_schema(
        operation_id="getSimilarItems",
        summary=gettext_lazy("Get the items most like one item"),
        parameters=[lists.ListQuery],
        responses=lists.ListOutput,
    )
    def get(self, request: Request, item: str) -> HttpResponse:
        """Answer one list."""
        query = lists.read_query(request._request.GET)
        query = lists.replace_value(query, "context_item", item)
        asked = lists.make_request(request._request, query, surface="similar")
        return lists.respond(request._request, services.similar(asked), asked)


class Search(ApiView):
    """Lists of what a text finds."""

    scopes: ClassVar = {"GET": "recommend"}
    MAX_LENGTH: ClassVar = 200

    @extend_schema(
        operation_id="search",
        summary=gettext_lazy("Search titles and creators"),
        description=gettext_lazy(
            "Typos are tolerated. When nothing matches, the nearest titles are answered."
        ),
        parameters=[
            OpenApiParameter(
                "q", {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH}, required=True
            ),
            lists.ListQuery,
        ],
        responses=lists.ListOutput,
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer one list."""
        query = lists.read_query(request._request.GET, frozenset({"q"}))
        text = query.values.get("q", "").strip()
        if not text or len(text) > self.MAX_LENGTH:
            raise lists.bad(
                "q",
                "invalid",
                lists.LENGTH_DETAIL % {"n": len(text), "least": 1, "most": self.MAX_LENGTH},
            )
        asked = lists.make_request(request._request, query, surface="search")
        return lists.respond(request._request, services.search(asked, text), asked)


class Rank(ApiView):
    """The caller's candidates in our order."""

    scopes: ClassVar = {"POST": "recommend"}
    MAX_ITEMS: ClassVar = 500

    class Input(Strict):
        """Whom to rank for, and what."""

        user = external_id(required=False, allow_null=True)
        items = serializers.ListField(
            child=external_id(),
            min_length=1,
            max_length=500,
            help_text=gettext_lazy("Your ids, 1 to 500"),
        )
        explain = serializers.BooleanField(default=False)

    @extend_schema(
        operation_id="rank",
        summary=gettext_lazy("Order your own candidates"),
        request=Input,
        responses=lists.ListOutput,
    )
    def post(self, request: Request) -> HttpResponse:
        """Answer the caller's items, best first."""
        data = self.read(self.Input)
        repeated = len(data["items"]) - len(set(data["items"]))
        if repeated:
            detail = lists.REPEATED_DETAIL % {"n": repeated}
            raise invalid((FieldError("/items", "repeated", detail),))
        asked = self._request(request._request, data)
        return lists.respond(request._request, services.rank(asked, data["items"]), asked)

    def _request(self, request: HttpRequest, data: dict[str, Any]) -> ListRequest:
        user = data.get("user")
        auth.refuse_user(self.key, user)
        return ListRequest(
            catalog=self.catalog,
            user_ref=people.known(self.key, user, ""),
            surface="rank",
            limit=len(data["items"]),
            explain=data["explain"],
            locale=lists.language(),
            request_id=getattr(request, "request_id", ""),
        )


class Pipeline(ApiView):
    """The stages as they run."""

    scopes: ClassVar = {"GET": "read"}

    class Output(serializers.Serializer[Any]):
        """Stages in order; `parameters` are the figures in use."""

        class Stage(serializers.Serializer[Any]):
            """One stage."""

            name = serializers.CharField()
            title = serializers.CharField()
            text = serializers.CharField()
            parameters = serializers.DictField()

        stages = Stage(many=True)

    @extend_schema(
        operation_id="getPipeline",
        summary=gettext_lazy("Show the stages and weights as they run"),
        responses=Output,
    )
    def get(self, _request: Request) -> HttpResponse:
        """List the stages."""
        return body.answer(self.Output({"stages": services.pipeline(self.catalog)}).data)
