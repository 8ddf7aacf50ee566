"""The settings that a catalog has adopted for its models: read, taken from a search, undone."""

from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from recommender.api import body, queries
from recommender.api.fields import Strict, UtcTime
from recommender.api.views import ApiView
from recommender.errors import Missing
from recommender.ml.recipes import RECIPES
from recommender.train.adopted import adopt, undo


class ChangeOutput(serializers.Serializer[Any]):
    """A change of a model's settings, as logged; `{}` stands for the model's defaults."""

    model = serializers.CharField()
    before = serializers.DictField()
    after = serializers.DictField()
    run = serializers.CharField(
        source="search_run_id",
        allow_null=True,
        help_text=gettext_lazy("The search that found them; null for an undo"),
    )
    actor = serializers.CharField()
    reason = serializers.CharField()
    created_at = UtcTime()


class Why(Strict):
    """Why."""

    reason = serializers.CharField(max_length=500, allow_blank=True, default="")


class TrainingSettings(ApiView):
    """What models train with from scratch when nobody names other settings."""

    scopes: ClassVar = {"GET": "read"}
    is_resource: ClassVar = True

    class Output(serializers.Serializer[Any]):
        """The change that holds, of each model that was ever changed, by name."""

        settings = ChangeOutput(many=True)

    @extend_schema(
        operation_id="listTrainingSettings",
        summary=gettext_lazy("List the settings that models train with"),
        description=gettext_lazy("Models that are not named train with their defaults."),
        responses=Output,
    )
    def get(self, _request: Request) -> HttpResponse:
        """Answer the newest change of each model."""
        return body.answer(self.Output({"settings": queries.held_settings(self.catalog)}).data)


class AdoptSettings(ApiView):
    """What a search found, as the catalog's settings."""

    scopes: ClassVar = {"POST": "operate"}

    @extend_schema(
        operation_id="adoptSettings",
        summary=gettext_lazy("Make what a search found the catalog's settings"),
        description=gettext_lazy(
            "The model's next trainings from scratch use them; nothing goes live by itself."
        ),
        request=Why,
        responses=ChangeOutput,
    )
    def post(self, _request: Request, run: str) -> HttpResponse:
        """Write the change."""
        data = self.read(Why)
        change = adopt(
            run=queries.run(self.catalog, run),
            actor=self.key.prefix,
            reason=data["reason"] or _("Adopted through the API"),
        )
        return body.answer(ChangeOutput(change).data)


class UndoSettings(ApiView):
    """The way back to a model's settings before."""

    scopes: ClassVar = {"POST": "operate"}

    @extend_schema(
        operation_id="undoSettings",
        summary=gettext_lazy("Go back to a model's settings before the newest change"),
        request=Why,
        responses=ChangeOutput,
    )
    def post(self, _request: Request, model: str) -> HttpResponse:
        """Write the change back."""
        data = self.read(Why)
        if model not in RECIPES:
            raise Missing(queries.nothing("model", model))
        change = undo(
            catalog=self.catalog,
            model=model,
            actor=self.key.prefix,
            reason=data["reason"] or _("Undone through the API"),
        )
        return body.answer(ChangeOutput(change).data)
