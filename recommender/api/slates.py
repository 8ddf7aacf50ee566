"""One slate as it was logged, for audits."""

from typing import Any, ClassVar
from uuid import UUID

import numpy as np
from django.http import HttpResponse
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from recommender.api import body, queries
from recommender.api.fields import UtcTime
from recommender.api.views import ApiView
from recommender.collect.models import Impression, Slate
from recommender.errors import Missing
from recommender.ml.placement import marginals
from recommender.serve.drawn import replayed

PLAIN = (
    *("decided_at", "request_id", "session_id", "surface", "page", "k", "layout", "locale"),
    *("consent", "policy_id", "policy_version", "policy_config_hash", "model_trained_to"),
    *("strategy", "experiment_keys", "fallback", "latency_ms", "schema_version", "seed"),
    *("eps", "tau", "sampler", "alphas", "contenders", "component", "masks", "fixed"),
    *("cost", "retrieval_sources", "is_simulated"),
)


class SlateOutput(serializers.Serializer[Any]):
    """Who asked, what decided, how it was drawn, and what stood where with what chance."""

    class Position(serializers.Serializer[Any]):
        """One place of the list."""

        item = serializers.CharField()
        position = serializers.IntegerField()
        row = serializers.IntegerField()
        col = serializers.IntegerField()
        slot_kind = serializers.CharField()
        score = serializers.FloatField()
        p_cond = serializers.FloatField()
        log_p_prefix = serializers.FloatField()
        p_marginal = serializers.FloatField(allow_null=True)
        p_included = serializers.FloatField(allow_null=True)
        reason_codes = serializers.ListField(child=serializers.JSONField())

    slate_id = serializers.UUIDField()
    user = serializers.CharField(allow_null=True)
    model_version = serializers.CharField(allow_null=True)
    candidates = serializers.ListField(child=serializers.CharField(allow_null=True))
    logits = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(allow_null=True)),
        help_text=gettext_lazy("One row per contender, in the order of the candidates"),
    )
    items = Position(many=True)
    decided_at = UtcTime()
    request_id = serializers.CharField()
    session_id = serializers.CharField()
    surface = serializers.CharField()
    page = serializers.IntegerField()
    k = serializers.IntegerField()
    layout = serializers.CharField()
    locale = serializers.CharField()
    consent = serializers.CharField()
    policy_id = serializers.CharField()
    policy_version = serializers.CharField()
    policy_config_hash = serializers.CharField()
    model_trained_to = UtcTime(allow_null=True)
    strategy = serializers.CharField()
    experiment_keys = serializers.ListField(child=serializers.JSONField())
    fallback = serializers.CharField()
    latency_ms = serializers.FloatField()
    schema_version = serializers.IntegerField()
    seed = serializers.IntegerField()
    eps = serializers.FloatField()
    tau = serializers.FloatField()
    sampler = serializers.CharField()
    alphas = serializers.ListField(child=serializers.JSONField())
    contenders = serializers.ListField(child=serializers.CharField())
    component = serializers.CharField()
    masks = serializers.ListField(child=serializers.JSONField())
    fixed = serializers.ListField(child=serializers.JSONField())
    cost = serializers.FloatField(allow_null=True)
    retrieval_sources = serializers.DictField()
    is_simulated = serializers.BooleanField()


class OneSlate(ApiView):
    """One slate."""

    scopes: ClassVar = {"GET": "operate"}
    is_resource: ClassVar = True

    @extend_schema(
        operation_id="getSlate",
        summary=gettext_lazy("Read one slate as logged"),
        parameters=[OpenApiParameter("slate", UUID, OpenApiParameter.PATH)],
        responses=SlateOutput,
    )
    def get(self, _request: Request, slate: str) -> HttpResponse:
        """Answer the row with its positions and propensities."""
        try:
            found = queries.slate(self.catalog, UUID(slate))
        except ValueError:
            raise Missing(queries.nothing("slate", slate)) from None
        return body.answer(SlateOutput(_slate(found)).data)


def _slate(slate: Slate) -> dict[str, Any]:
    keys = [int(key) for key in np.frombuffer(bytes(slate.candidates), dtype="<i4")]
    names = queries.item_names(slate.catalog, keys)
    logits = np.frombuffer(bytes(slate.logits), dtype="<f4")
    contenders = len(logits) // len(keys) if keys else 0
    rows = logits[: contenders * len(keys)].reshape(contenders, len(keys))
    finite = [[float(z) if np.isfinite(z) else None for z in row] for row in rows]
    return {
        **{name: getattr(slate, name) for name in PLAIN},
        "slate_id": slate.pk,
        "user": slate.user.external_id if slate.user else None,
        "model_version": slate.model_version.label if slate.model_version else None,
        "candidates": [names.get(key) for key in keys],
        "logits": finite,
        "items": _positions(slate),
    }


def _positions(slate: Slate) -> list[dict[str, Any]]:
    """Return what stood where; chances over all lists that the draw might have given are exact."""
    shown = list(slate.impressions.all())
    plain = [_position(each) for each in shown]
    fixed = {entry[0] for entry in slate.fixed}
    drawn = [each for each in shown if each.position not in fixed]
    if slate.sampler != Slate.Sampler.MIX or not drawn:
        return plain
    made = replayed(slate)
    place_of = {int(pk): place for place, pk in enumerate(made.ids)}
    chances = marginals(made.mixture, 1 + max(place_of[each.item_id] for each in drawn))
    for each, row in zip(shown, plain, strict=True):
        if each.position not in fixed:
            place = place_of[each.item_id]
            own = chances[made.draw.order[place]]
            row |= {"p_marginal": float(own[place]), "p_included": float(own.sum())}
    return plain


def _position(shown: Impression) -> dict[str, Any]:
    return {
        "item": shown.item.external_id,
        "position": shown.position,
        "row": shown.row,
        "col": shown.col,
        "slot_kind": shown.slot_kind,
        "score": shown.score,
        "p_cond": shown.p_cond,
        "log_p_prefix": shown.log_p_prefix,
        "p_marginal": None,
        "p_included": None,
        "reason_codes": shown.reason_codes,
    }
