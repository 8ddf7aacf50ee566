"""Ratings: one person's stars for one item, kept as events like everything that people do."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import uuid4

from django.http import HttpResponse
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from recommender.api import batches, body, events, queries
from recommender.api.errors import field_errors, invalid
from recommender.api.fields import Number, Strict, UtcTime, external_id
from recommender.api.problems import FieldError
from recommender.api.views import ApiView
from recommender.collect.models import Event
from recommender.collect.services import EventResult, NewEvent, record_events
from recommender.errors import Missing


class RatingOutput(serializers.Serializer[Any]):
    """A rating that stands."""

    user = serializers.CharField()
    item = serializers.CharField()
    value = serializers.FloatField()
    rated_at = UtcTime()


class RatingEntry(Strict):
    """A rating of a batch."""

    user = external_id()
    item = external_id()
    value = Number()
    occurred_at = UtcTime(required=False, allow_null=True)


class Rating(ApiView):
    """One user's rating of one item."""

    scopes: ClassVar = {"GET": "read", "PUT": "write", "DELETE": "write"}
    is_resource: ClassVar = True

    class Input(Strict):
        """The stars."""

        value = Number(help_text=gettext_lazy("On the catalog's scale, such as 0.5 to 5.0"))

    @extend_schema(
        operation_id="getRating", summary=gettext_lazy("Read a rating"), responses=RatingOutput
    )
    def get(self, _request: Request, user: str, item: str) -> HttpResponse:
        """Answer the rating that stands."""
        return self._answer(user, item)

    @extend_schema(
        operation_id="putRating",
        summary=gettext_lazy("Rate an item for a user"),
        request=Input,
        responses={200: RatingOutput, 201: RatingOutput},
    )
    def put(self, _request: Request, user: str, item: str) -> HttpResponse:
        """Store the rating; the same value again changes nothing."""
        value = self.read(self.Input)["value"]
        queries.item(self.catalog, item)  # an unknown item in the address is a 404
        before = queries.standing_ratings(self.catalog, user, item)
        if not before or before[0].value != value:
            self._record([NewEvent(type="rating", user=user, item=item, value=value)])
        return self._answer(user, item, 200 if before else 201)

    @extend_schema(
        operation_id="deleteRating",
        summary=gettext_lazy("Take a rating back"),
        responses={204: None},
    )
    def delete(self, _request: Request, user: str, item: str) -> HttpResponse:
        """Undo every rating that stands, so that no older one comes back."""
        standing = queries.standing_ratings(self.catalog, user, item)
        if not standing:
            raise Missing(queries.nothing("rating", item))
        self._record([NewEvent(type="undo", user=user, undoes=e.event_id) for e in standing])
        return HttpResponse(status=204)

    def _record(self, deeds: Sequence[NewEvent]) -> None:
        results = record_events(catalog=self.catalog, events=deeds, source=Event.Source.API)
        wrong = [result for result in results if result.status == "rejected"]
        if wrong:
            raise invalid((FieldError("/value", str(wrong[0].code), str(wrong[0].detail)),))

    def _answer(self, user: str, item: str, status: int = 200) -> HttpResponse:
        standing = queries.standing_ratings(self.catalog, user, item)
        if not standing:
            raise Missing(queries.nothing("rating", item))
        data = {
            "user": user,
            "item": item,
            "value": standing[0].value,
            "rated_at": standing[0].occurred_at,
        }
        return body.answer(RatingOutput(data).data, status)


class RatingsBatch(ApiView):
    """Many ratings at once."""

    scopes: ClassVar = {"POST": "write"}
    costs: ClassVar = {"POST": 5}
    media: ClassVar = (body.JSON, body.NDJSON)

    class Input(Strict):
        """A batch."""

        ratings = serializers.ListField(child=RatingEntry(), max_length=batches.MOST)

    @extend_schema(
        operation_id="putRatings",
        summary=gettext_lazy("Store many ratings"),
        request={body.JSON: Input, body.NDJSON: RatingEntry},
        responses=events.EventsOutput,
    )
    def post(self, request: Request) -> HttpResponse:
        """Store the good ones, name the bad ones."""
        entries = batches.read(request._request, "ratings")
        results: dict[int, EventResult] = {}
        deeds: dict[int, NewEvent] = {}
        for index, raw in enumerate(entries):
            bound = RatingEntry(data=raw)
            if bound.is_valid():
                deeds[index] = _deed(bound.validated_data)
            else:
                results[index] = _misshapen(index, bound.errors)
        stored = record_events(
            catalog=self.catalog, events=list(deeds.values()), source=Event.Source.API
        )
        for index, result in zip(deeds, stored, strict=True):
            results[index] = EventResult(
                index, result.event_id, result.status, result.code, result.detail
            )
        return body.answer(events.summary([results[index] for index in range(len(entries))]))


def _deed(data: Mapping[str, Any]) -> NewEvent:
    return NewEvent(type="rating", event_id=uuid4(), **data)


def _misshapen(index: int, errors: Any) -> EventResult:
    first = next(field_errors(errors, "body"))
    detail = f"{first.pointer.lstrip('/')}: {first.detail}"
    return EventResult(index, None, "rejected", first.code, detail)
