"""What a version would have earned, weighed from the lists that others drew."""

from typing import Any, ClassVar

from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from recommender.api import body, queries
from recommender.api.fields import Strict, UtcTime
from recommender.api.views import ApiView
from recommender.errors import Refused
from recommender.estimate import services
from recommender.estimate.models import Estimate
from recommender.jobs.services import enqueue
from recommender.promote.models import ModelVersion


class EstimateOutput(serializers.Serializer[Any]):
    """The newest estimate of a version; all null before the first.

    `figures`, in clicks per list of up to ten drawn places, with 95 % intervals clustered by
    person: `earned` by what was shown, `value` under the version, their `difference` on the same
    lists; `sample` lists of its own they are worth; `outside`, the share of its best that was never
    a candidate. `refusals` names why it may not be believed (users, sample, outside, weights,
    fallback); empty: it may. `reading` says what a click is taken to depend on: the item at its
    place, or the prefix of the list.
    """

    version = serializers.CharField()
    is_estimating = serializers.BooleanField()
    made_at = UtcTime(allow_null=True)
    since = UtcTime(allow_null=True)
    until = UtcTime(allow_null=True)
    n = serializers.IntegerField(allow_null=True)
    n_users = serializers.IntegerField(allow_null=True)
    is_simulated = serializers.BooleanField(allow_null=True)
    reading = serializers.ChoiceField(Estimate.Reading.values, allow_null=True)
    refusals = serializers.ListField(child=serializers.CharField(), allow_null=True)
    figures = serializers.DictField(allow_null=True)


FIELDS = (
    *("made_at", "since", "until", "n", "n_users", "is_simulated", "reading", "refusals"),
    "figures",
)


class VersionEstimate(ApiView):
    """The estimate of a version."""

    scopes: ClassVar = {"GET": "read"}
    is_resource: ClassVar = True

    @extend_schema(
        operation_id="getEstimate",
        summary=gettext_lazy("Read what a version would have earned"),
        responses=EstimateOutput,
    )
    def get(self, _request: Request, version: str) -> HttpResponse:
        """Answer the newest."""
        return body.answer(_newest(queries.version(self.catalog, version)))


class MakeEstimate(ApiView):
    """The making of an estimate."""

    scopes: ClassVar = {"POST": "operate"}
    costs: ClassVar = {"POST": 10}

    @extend_schema(
        operation_id="makeEstimate",
        summary=gettext_lazy("Estimate what a version would have earned"),
        description=gettext_lazy("It takes a minute or two; `is_estimating` says when it is over."),
        request=None,
        responses={202: EstimateOutput},
    )
    def post(self, _request: Request, version: str) -> HttpResponse:
        """Queue it."""
        self.read(Strict)
        row = queries.version(self.catalog, version)
        with transaction.atomic():
            key = services.job_key(row)
            if enqueue(services.TASK, dedup_key=key, version_id=row.pk) is None:
                raise Refused(_("%(label)s is being estimated.") % {"label": row.label})
        return body.answer(_newest(row), 202)


def _newest(version: ModelVersion) -> dict[str, Any]:
    row = version.estimates.order_by("-id").first()
    found = {name: getattr(row, name) if row else None for name in FIELDS}
    is_estimating = queries.has_open_job(services.job_key(version))
    shown = {"version": version.label, "is_estimating": is_estimating, **found}
    return dict(EstimateOutput(shown).data)
