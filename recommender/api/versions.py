"""Model versions: what there is, which one is live, and switching between them."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from recommender.api import body, cursors, queries
from recommender.api.fields import Strict, UtcTime
from recommender.api.views import ApiView
from recommender.evaluate.models import Evaluation
from recommender.promote.models import ModelVersion, Promotion
from recommender.promote.services import promote, roll_back


class VersionOutput(serializers.Serializer[Any]):
    """One version. `metrics` are those of its newest evaluation, with 95 % intervals.

    `cold` is what that evaluation says of new items (`items`: AUC, hit@10) and of new users after
    their first 1, 3 and 5 events (`users`: NDCG@10, hit rate), each with baselines, paired
    differences and numbers of people; undefined figures are null, `{}` means not judged.
    """

    version = serializers.CharField(source="label")
    model = serializers.CharField()
    strategy = serializers.CharField()
    state = serializers.ChoiceField(ModelVersion.State.values)
    trained_to = UtcTime()
    created_at = UtcTime()
    live_since = UtcTime(allow_null=True)
    retired_at = UtcTime(allow_null=True)
    size_bytes = serializers.IntegerField()
    metrics = serializers.SerializerMethodField()
    cold = serializers.SerializerMethodField()

    def get_metrics(self, version: ModelVersion) -> dict[str, Any]:
        """Take the newest evaluation's figures; empty while there is none."""
        newest = _newest_evaluation(version)
        return dict(newest.metrics) if newest else {}

    def get_cold(self, version: ModelVersion) -> dict[str, Any]:
        """Take what the newest evaluation says of new items and new users."""
        newest = _newest_evaluation(version)
        return dict(newest.cold) if newest else {}


class SwitchOutput(serializers.Serializer[Any]):
    """A switch between versions, as logged."""

    action = serializers.ChoiceField(Promotion.Action.values)
    version = serializers.CharField()
    previous = serializers.CharField(allow_null=True)
    actor = serializers.CharField()
    reason = serializers.CharField()
    created_at = UtcTime()
    reversible_until = UtcTime(allow_null=True)


class Models(ApiView):
    """All versions."""

    scopes: ClassVar = {"GET": "read"}
    is_resource: ClassVar = True

    class Query(Strict):
        """Which part of the list."""

        limit = serializers.IntegerField(min_value=1, max_value=100, default=20)
        cursor = serializers.CharField(max_length=200, required=False)

    class Output(serializers.Serializer[Any]):
        """Versions, newest first."""

        models = VersionOutput(many=True)
        next_cursor = serializers.CharField(allow_null=True)

    @extend_schema(
        operation_id="listModels",
        summary=gettext_lazy("List model versions"),
        parameters=[Query],
        responses=Output,
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer one page; new versions do not move the pages that follow."""
        query = self.read_query(self.Query)
        before = cursors.read(query["cursor"]) if "cursor" in query else queries.FAR
        found = queries.versions(self.catalog, before=before, limit=query["limit"] + 1)
        page = found[: query["limit"]]
        following = cursors.make(page[-1].number) if len(found) > len(page) else None
        response = body.answer(self.Output({"models": page, "next_cursor": following}).data)
        cursors.link(request._request, response, following)
        return response


class Promote(ApiView):
    """The switch to a version."""

    scopes: ClassVar = {"POST": "operate"}

    class Input(Strict):
        """Why, and whether against the gate's advice."""

        reason = serializers.CharField(max_length=500, allow_blank=True, default="")
        force = serializers.BooleanField(
            default=False, help_text=gettext_lazy("Promote what the gate kept back")
        )

    @extend_schema(
        operation_id="promoteModel",
        summary=gettext_lazy("Make a version live"),
        description=gettext_lazy("Lists carry the new `model_version` within five seconds."),
        request=Input,
        responses=SwitchOutput,
    )
    def post(self, _request: Request, version: str) -> HttpResponse:
        """Switch in one transaction."""
        data = self.read(self.Input)
        switch = promote(
            version=queries.version(self.catalog, version),
            actor=self.key.prefix,
            reason=data["reason"] or _("Promoted through the API"),
            force=data["force"],
        )
        return body.answer(SwitchOutput(switch_fields(switch)).data)


class RollBack(ApiView):
    """The way back."""

    scopes: ClassVar = {"POST": "operate"}

    class Input(Strict):
        """Where to; empty means the version before the live one."""

        to = serializers.CharField(
            max_length=20, required=False, help_text=gettext_lazy("Such as v11")
        )
        reason = serializers.CharField(max_length=500, allow_blank=True, default="")

    @extend_schema(
        operation_id="rollBackModel",
        summary=gettext_lazy("Make the version before the live one live again"),
        request=Input,
        responses=SwitchOutput,
    )
    def post(self, _request: Request) -> HttpResponse:
        """Switch in one transaction."""
        data = self.read(self.Input)
        switch = roll_back(
            catalog=self.catalog,
            actor=self.key.prefix,
            reason=data["reason"] or _("Rolled back through the API"),
            to=queries.version(self.catalog, data["to"]) if "to" in data else None,
        )
        return body.answer(SwitchOutput(switch_fields(switch)).data)


def _newest_evaluation(version: ModelVersion) -> Evaluation | None:
    return max(version.evaluations.all(), key=lambda one: one.pk, default=None)


def switch_fields(row: Promotion) -> Mapping[str, Any]:
    """Return what an answer says of a switch."""
    return {
        "action": row.action,
        "version": row.version.label,
        "previous": row.previous.label if row.previous else None,
        "actor": row.actor,
        "reason": row.reason,
        "created_at": row.created_at,
        "reversible_until": row.reversible_until,
    }
