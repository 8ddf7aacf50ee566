"""Training runs: ask for one, watch it, stop it."""

from typing import Any, ClassVar

from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from recommender.api import body, queries
from recommender.api.fields import Strict
from recommender.api.views import ApiView
from recommender.jobs.services import enqueue
from recommender.ml.recipes import RECIPES
from recommender.train.models import TrainingRun
from recommender.train.services import cancel_run, request_run


class RunOutput(serializers.Serializer[Any]):
    """Where a run is. `progress` is a share, 0–1; `eta_s` is null while nothing can be said."""

    id = serializers.CharField(source="pk")
    state = serializers.ChoiceField(TrainingRun.State.values)
    model = serializers.CharField()
    epoch = serializers.IntegerField()
    epochs = serializers.IntegerField()
    progress = serializers.FloatField()
    metrics = serializers.DictField()
    eta_s = serializers.FloatField(allow_null=True)
    verdict = serializers.DictField(allow_null=True)
    model_version = serializers.SerializerMethodField(
        help_text=gettext_lazy("The version that the run made, once there is one")
    )
    error = serializers.SerializerMethodField(help_text=gettext_lazy("What went wrong, or null"))

    def get_model_version(self, run: TrainingRun) -> str | None:
        """Name the version that the run made, once there is one."""
        return run.model_version.label if run.model_version else None

    def get_error(self, run: TrainingRun) -> str | None:
        """Say what went wrong, or null."""
        return run.error or None


class TrainingRuns(ApiView):
    """All runs."""

    scopes: ClassVar = {"POST": "operate"}
    costs: ClassVar = {"POST": 10}

    class Input(Strict):
        """What to train; empty means the catalog's default model from scratch."""

        model = serializers.ChoiceField(list(RECIPES), required=False)
        mode = serializers.ChoiceField(TrainingRun.Mode.values, default=TrainingRun.Mode.FULL.value)

    @extend_schema(
        operation_id="startTraining",
        summary=gettext_lazy("Ask for a training run"),
        description=gettext_lazy(
            "409 names the run that is active already: one at a time per catalog."
        ),
        request=Input,
        responses={202: RunOutput},
    )
    def post(self, _request: Request) -> HttpResponse:
        """Queue a run and its job in one transaction."""
        data = self.read(self.Input)
        with transaction.atomic():
            run = request_run(
                catalog=self.catalog,
                model=data.get("model"),
                mode=data["mode"],
                trigger="operator",
                requested_by=self.key.prefix,
            )
            enqueue("recommender.train", queue="learning", dedup_key=f"run:{run.pk}", run_id=run.pk)
        location = f"/api/v1/training-runs/{run.pk}"
        return body.answer(RunOutput(run).data, 202, Location=location)


class OneRun(ApiView):
    """One run."""

    scopes: ClassVar = {"GET": "read"}
    is_resource: ClassVar = True

    @extend_schema(
        operation_id="getTraining", summary=gettext_lazy("Watch a run"), responses=RunOutput
    )
    def get(self, _request: Request, run: str) -> HttpResponse:
        """Answer where the run is."""
        return body.answer(RunOutput(queries.run(self.catalog, run)).data)


class CancelRun(ApiView):
    """The stop button of a run."""

    scopes: ClassVar = {"POST": "operate"}

    @extend_schema(
        operation_id="cancelTraining",
        summary=gettext_lazy("Stop a run"),
        description=gettext_lazy("A queued run stops at once, one at work within three seconds."),
        request=None,
        responses={202: RunOutput},
    )
    def post(self, _request: Request, run: str) -> HttpResponse:
        """Ask the run to stop."""
        self.read(Strict)
        stopped = cancel_run(run=queries.run(self.catalog, run))
        return body.answer(RunOutput(stopped).data, 202)
