"""Training runs and searches for settings: ask for one, watch it, stop it."""

from typing import Any, ClassVar

from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from recommender.api import body, queries
from recommender.api.fields import Strict, Whole
from recommender.api.views import ApiView
from recommender.jobs.services import enqueue
from recommender.ml.recipes import RECIPES
from recommender.train.models import TrainingRun
from recommender.train.services import (
    MOST_MINUTES,
    MOST_TRIALS,
    SearchWish,
    cancel_run,
    request_run,
    request_search,
)

SEARCH = TrainingRun.Mode.SEARCH.value
MOST_SEED = 2**31 - 1


class BestTrial(serializers.Serializer[Any]):
    """The trial with the highest value so far; the first trial is the model's defaults."""

    number = serializers.IntegerField()
    settings = serializers.DictField()
    value = serializers.FloatField(
        help_text=gettext_lazy("NDCG@10 on the validation window; it flatters")
    )


class SearchOutput(serializers.Serializer[Any]):
    """How a search goes; `report` is what the third window says of it, once, at its end."""

    budget_s = serializers.IntegerField()
    spent_s = serializers.FloatField()
    max_trials = serializers.IntegerField()
    trials = serializers.IntegerField(source="trials.count")
    best = BestTrial(source="trials.best", allow_null=True)
    report = serializers.DictField(allow_null=True)


class RunOutput(serializers.Serializer[Any]):
    """Where a run is. `progress` is a share, 0–1; `eta_s` is null while nothing can be said."""

    id = serializers.CharField(source="pk")
    state = serializers.ChoiceField(TrainingRun.State.values)
    model = serializers.CharField()
    mode = serializers.ChoiceField(TrainingRun.Mode.values)
    epoch = serializers.IntegerField(help_text=gettext_lazy("Of a search: its finished trials"))
    epochs = serializers.IntegerField()
    progress = serializers.FloatField()
    metrics = serializers.DictField()
    eta_s = serializers.FloatField(allow_null=True)
    verdict = serializers.DictField(allow_null=True)
    teacher = serializers.SerializerMethodField(
        help_text=gettext_lazy("The version whose lists the model learns to match, or null")
    )
    model_version = serializers.SerializerMethodField(
        help_text=gettext_lazy("The version that the run made, once there is one")
    )
    error = serializers.SerializerMethodField(help_text=gettext_lazy("What went wrong, or null"))
    search = serializers.SerializerMethodField(help_text=gettext_lazy("Null unless mode is search"))

    def get_model_version(self, run: TrainingRun) -> str | None:
        """Name the version that the run made, once there is one."""
        return run.model_version.label if run.model_version else None

    def get_teacher(self, run: TrainingRun) -> str | None:
        """Name the version that teaches, or null."""
        return run.teacher.label if run.teacher else None

    def get_error(self, run: TrainingRun) -> str | None:
        """Say what went wrong, or null."""
        return run.error or None

    @extend_schema_field(SearchOutput(allow_null=True))
    def get_search(self, run: TrainingRun) -> dict[str, Any] | None:
        """Say how a search goes; null for a training. Two queries."""
        return dict(SearchOutput(run.search).data) if run.mode == SEARCH else None


class TrainingRuns(ApiView):
    """All runs."""

    scopes: ClassVar = {"POST": "operate"}
    costs: ClassVar = {"POST": 10}

    class Input(Strict):
        """What to train; empty means the catalog's default model from scratch.

        Mode `search` trains many times within `minutes` and reports better settings of the model.
        """

        model = serializers.ChoiceField(list(RECIPES), required=False)
        mode = serializers.ChoiceField(TrainingRun.Mode.values, default=TrainingRun.Mode.FULL.value)
        minutes = Whole(
            min_value=1,
            max_value=MOST_MINUTES,
            required=False,
            help_text=gettext_lazy("Needed by mode search, and by no other"),
        )
        max_trials = Whole(
            min_value=1,
            max_value=MOST_TRIALS,
            required=False,
            help_text=gettext_lazy("Of mode search: end after so many trials, if time is left"),
        )
        seed = Whole(
            min_value=0,
            max_value=MOST_SEED,
            default=1,
            help_text=gettext_lazy("Same seed, data and model: same weights, same trials"),
        )

        settings = serializers.DictField(
            required=False,
            help_text=gettext_lazy("Other values for some of the model's options; no search has"),
        )
        teacher = serializers.CharField(
            max_length=12,
            required=False,
            help_text=gettext_lazy(
                "A version, such as v3: the model learns to match its lists as well as the "
                "events, with vectors half as wide unless settings say otherwise"
            ),
        )

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            """Refuse a search without a budget, and a budget without a search."""
            is_search = attrs["mode"] == SEARCH
            if is_search and "minutes" not in attrs:
                raise serializers.ValidationError({"minutes": _("A search needs its minutes.")})
            extra = [name for name in ("minutes", "max_trials") if name in attrs]
            if is_search and (found := [name for name in ("settings", "teacher") if name in attrs]):
                text = _("A search chooses its settings, and has no teacher.")
                raise serializers.ValidationError(dict.fromkeys(found, text))
            if extra and not is_search:
                text = _("Only mode search has a budget.")
                raise serializers.ValidationError(dict.fromkeys(extra, text))
            return attrs

    @extend_schema(
        operation_id="startTraining",
        summary=gettext_lazy("Ask for a training run"),
        description=gettext_lazy(
            "409 names the run that is active already: one at a time per catalog, be it a training "
            "or a search for settings."
        ),
        request=Input,
        responses={202: RunOutput},
    )
    def post(self, _request: Request) -> HttpResponse:
        """Queue a run and its job in one transaction."""
        data = self.read(self.Input)
        with transaction.atomic():
            run = self._request(data)
            enqueue("recommender.train", queue="learning", dedup_key=f"run:{run.pk}", run_id=run.pk)
        location = f"/api/v1/training-runs/{run.pk}"
        return body.answer(RunOutput(run).data, 202, Location=location)

    def _request(self, data: dict[str, Any]) -> TrainingRun:
        if data["mode"] == SEARCH:
            wish = SearchWish(
                minutes=data["minutes"],
                model=data.get("model"),
                max_trials=data.get("max_trials", MOST_TRIALS),
                seed=data["seed"],
            )
            return request_search(catalog=self.catalog, wish=wish, requested_by=self.key.prefix)
        label = data.get("teacher")
        return request_run(
            catalog=self.catalog,
            model=data.get("model"),
            mode=data["mode"],
            requested_by=self.key.prefix,
            config=data.get("settings"),
            seed=data["seed"],
            teacher=queries.version(self.catalog, label) if label else None,
        )


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
