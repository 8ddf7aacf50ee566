"""The loop's health, the simulated clock and the probes."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import DatabaseError, transaction
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from recommender import clock
from recommender.api import body, health
from recommender.api.fields import Strict, UtcTime
from recommender.api.problems import Problem
from recommender.api.views import ApiView
from recommender.jobs.services import enqueue


class Loop(ApiView):
    """Loop health."""

    scopes: ClassVar = {"GET": "read"}

    class Output(serializers.Serializer[Any]):
        """`settled`: no event waits, no trigger is due, no run or promotion is open."""

        class Gate(serializers.Serializer[Any]):
            """The newest decision about a version."""

            action = serializers.CharField()
            version = serializers.CharField()
            actor = serializers.CharField()
            reason = serializers.CharField()
            created_at = UtcTime()

        now = UtcTime(help_text=gettext_lazy("Product time"))
        settled = serializers.BooleanField()
        watermark = UtcTime(
            allow_null=True,
            help_text=gettext_lazy("Events received up to here are joined and counted"),
        )
        open_runs = serializers.ListField(child=serializers.CharField())
        live_version = serializers.CharField(allow_null=True)
        last_gate = Gate(allow_null=True)

    @extend_schema(
        operation_id="getLoop",
        summary=gettext_lazy("Say whether the loop has settled"),
        responses=Output,
    )
    def get(self, _request: Request) -> HttpResponse:
        """Answer the state of the loop."""
        return body.answer(self.Output(health.loop(self.catalog)).data)


class Clock(ApiView):
    """Simulated time."""

    scopes: ClassVar = {"PUT": "operate"}

    class Input(Strict):
        """The new product time."""

        now = UtcTime()

    class Output(serializers.Serializer[Any]):
        """Product time after the step."""

        now = UtcTime()

    @extend_schema(
        operation_id="setClock",
        summary=gettext_lazy("Set simulated time forward"),
        description=gettext_lazy(
            "Only with the boot flag SIM_CLOCK=1; otherwise this address does not exist."
        ),
        request=Input,
        responses=Output,
    )
    def put(self, _request: Request) -> HttpResponse:
        """Step forward and look at once whether a retraining is due."""
        if not settings.SIM_CLOCK:
            raise Problem("not_found", _("There is no such address or object."))
        moment = self.read(self.Input)["now"]
        with transaction.atomic():
            now = clock.set_forward(moment)
            enqueue("recommender.consider_retraining")
        return body.answer(self.Output({"now": now}).data)


class Live(ApiView):
    """The probe that asks whether the process answers; it depends on nothing."""

    scopes: ClassVar = {"GET": None}

    class Output(serializers.Serializer[Any]):
        """Always `live`."""

        status = serializers.CharField()

    @extend_schema(
        operation_id="getLive", summary=gettext_lazy("Is the process alive?"), responses=Output
    )
    def get(self, _request: Request) -> HttpResponse:
        """Answer."""
        return body.answer({"status": "live"})


class Ready(ApiView):
    """The probe that asks whether everything behind the process works."""

    scopes: ClassVar = {"GET": None}

    class Output(serializers.Serializer[Any]):
        """Each part by itself."""

        class Check(serializers.Serializer[Any]):
            """One part: database, model or worker."""

            name = serializers.CharField()
            ok = serializers.BooleanField()
            detail = serializers.CharField()

        status = serializers.CharField()
        checks = Check(many=True)

    @extend_schema(
        operation_id="getReady",
        summary=gettext_lazy("Do database, model and worker work?"),
        description=gettext_lazy(
            "503 lists what does not. Lists are answered even then, from what is left."
        ),
        responses=Output,
    )
    def get(self, _request: Request) -> HttpResponse:
        """Answer 200 when all parts work, 503 otherwise."""
        try:
            checks = health.checks(datetime.now(UTC))
        except DatabaseError:
            detail = _("The database does not answer.")
            checks = [health.Check("database", False, detail)]
        listed = [{"name": c.name, "ok": c.is_ok, "detail": c.detail} for c in checks]
        failed = [check for check in checks if not check.is_ok]
        if failed:
            raise Problem(
                "not_ready",
                " ".join(check.detail for check in failed),
                headers={"Retry-After": "5"},
                extra={"checks": listed},
            )
        return body.answer({"status": "ready", "checks": listed})
