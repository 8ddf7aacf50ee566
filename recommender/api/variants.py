"""The variants of a version: what smaller forms cost, and which of them serves."""

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
from recommender.api.versions import SwitchOutput, switch_fields
from recommender.api.views import ApiView
from recommender.errors import Missing, Refused
from recommender.jobs.services import enqueue
from recommender.promote import variants
from recommender.promote.models import ModelVersion, Variant


class VersionVariantOutput(serializers.Serializer[Any]):
    """One form of a version; `original` is what training wrote.

    `figures`, where measured: `share` of the original's bytes, `load_ms` and `latency_ms` (CPU time
    of loading and of one user's list), and with 95 % intervals over people `ndcg@10`, `difference`
    (to the original's NDCG@10, paired by person) and `overlap` (the share of the original's first
    ten that is in its first ten).
    """

    name = serializers.CharField()
    state = serializers.ChoiceField(Variant.State.values)
    serves = serializers.BooleanField()
    size_bytes = serializers.IntegerField()
    figures = serializers.DictField()
    error = serializers.CharField(allow_null=True)
    measured_at = UtcTime()


class VariantsOutput(serializers.Serializer[Any]):
    """What was measured of a version's variants; empty before the first time."""

    version = serializers.CharField()
    is_measuring = serializers.BooleanField()
    variants = VersionVariantOutput(many=True)


class Variants(ApiView):
    """All variants of a version."""

    scopes: ClassVar = {"GET": "read"}
    is_resource: ClassVar = True

    @extend_schema(
        operation_id="listVariants",
        summary=gettext_lazy("List the variants of a version with their price"),
        responses=VariantsOutput,
    )
    def get(self, _request: Request, version: str) -> HttpResponse:
        """Answer them, the largest first."""
        return body.answer(_listed(queries.version(self.catalog, version)))


class MeasureVariants(ApiView):
    """The measuring of a version's variants."""

    scopes: ClassVar = {"POST": "operate"}
    costs: ClassVar = {"POST": 10}

    @extend_schema(
        operation_id="measureVariants",
        summary=gettext_lazy("Make and measure the variants of a version"),
        description=gettext_lazy("It takes a minute or two; `is_measuring` says when it is over."),
        request=None,
        responses={202: VariantsOutput},
    )
    def post(self, _request: Request, version: str) -> HttpResponse:
        """Queue it."""
        self.read(Strict)
        row = queries.version(self.catalog, version)
        variants.require_original(row)
        with transaction.atomic():
            key = variants.job_key(row)
            if enqueue(variants.TASK, dedup_key=key, version_id=row.pk) is None:
                raise Refused(_("The variants of %(label)s are being measured.") % {"label": row})
        return body.answer(_listed(row), 202)


class ServeVariant(ApiView):
    """The choice of what a version serves."""

    scopes: ClassVar = {"POST": "operate"}

    class Input(Strict):
        """Why."""

        reason = serializers.CharField(max_length=500, allow_blank=True, default="")

    @extend_schema(
        operation_id="serveVariant",
        summary=gettext_lazy("Let another variant of a version serve"),
        description=gettext_lazy("`original` goes back to what training wrote."),
        request=Input,
        responses=SwitchOutput,
    )
    def post(self, _request: Request, version: str, variant: str) -> HttpResponse:
        """Switch in one transaction."""
        data = self.read(self.Input)
        row = queries.version(self.catalog, version)
        if variant not in {known.name for known in row.variants.all()}:
            raise Missing(queries.nothing("variant", variant))
        switch = variants.serve(
            version=row,
            name=variant,
            actor=self.key.prefix,
            reason=data["reason"] or _("Chosen through the API"),
        )
        return body.answer(SwitchOutput(switch_fields(switch)).data)


def _listed(version: ModelVersion) -> dict[str, Any]:
    serving = version.variant or Variant.ORIGINAL
    rows = [
        {
            "name": row.name,
            "state": row.state,
            "serves": row.name == serving,
            "size_bytes": row.figures.get("bytes") or row.size_bytes,
            "figures": row.figures,
            "error": row.error or None,
            "measured_at": row.measured_at,
        }
        for row in version.variants.all()
    ]
    rows.sort(key=lambda row: (-row["size_bytes"], row["name"]))
    is_measuring = queries.has_open_job(variants.job_key(version))
    listed = {"version": version.label, "is_measuring": is_measuring, "variants": rows}
    return dict(VariantsOutput(listed).data)
