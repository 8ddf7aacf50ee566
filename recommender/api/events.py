"""Events: what people did, in batches, each with its own result. Hot, so it runs without DRF."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from recommender.accounts.models import ApiKey
from recommender.api import auth, body, people, services
from recommender.api.errors import invalid
from recommender.api.fields import Strict, UtcTime, external_id
from recommender.api.problems import FieldError, Problem
from recommender.api.views import ApiView
from recommender.collect.models import Event
from recommender.collect.services import EventResult, NewEvent, record_events

MAX_EVENTS = 1000
TEXT = "text/plain"  # what a browser may send across sites without asking first
ONE = frozenset(NewEvent.__dataclass_fields__)
BATCH = frozenset({"events", "key"})


class BadEvent(Exception):
    """One event is not even shaped like one."""

    def __init__(self, field: str, code: str, detail: str) -> None:
        """Keep field, code and sentence."""
        super().__init__(detail)
        self.error = FieldError(f"/{field}" if field else "", code, detail)


def answer_events(request: HttpRequest) -> HttpResponse:
    """Store one event or a batch, and answer 202 after the commit with a result per event.

    Raises: Problem 400 or 409 when the body is one single event and that one is wrong.
    """
    key = auth.key_of(request)
    data = body.read_object(request)
    if "events" not in data:
        return _answer_one(key, {name: v for name, v in data.items() if name != "key"})
    unknown = sorted(set(data) - BATCH)
    if unknown:
        raise invalid(tuple(_unknown(name, ["events"]).error for name in unknown))
    return body.answer(summary(_record(key, _entries(data["events"]))), 202)


def summary(results: Sequence[EventResult]) -> dict[str, Any]:
    """Count results and list them."""
    counts = dict.fromkeys(("accepted", "duplicate", "rejected"), 0)
    for result in results:
        counts[result.status] += 1
    return {
        "accepted": counts["accepted"],
        "duplicates": counts["duplicate"],
        "rejected": counts["rejected"],
        "results": [
            {
                "index": result.index,
                "event_id": result.event_id,
                "status": result.status,
                "code": result.code,
                "detail": None if result.detail is None else str(result.detail),
            }
            for result in results
        ],
    }


def read_event(raw: Any) -> NewEvent:
    """Check the shape of one event; what it means is checked where it is stored.

    Raises: BadEvent naming the field.
    """
    if not isinstance(raw, dict):
        detail = _("An event is an object, not a %(kind)s.") % {"kind": body.kind_of(raw)}
        raise BadEvent("", "invalid", detail)
    for name in raw:
        if name not in ONE:
            raise _unknown(name, sorted(ONE))
    kind = _text(raw, "type")
    if not kind:
        raise BadEvent("type", "required", _("Say what happened, such as click or rating."))
    return NewEvent(
        type=kind,
        event_id=_uuid(raw, "event_id"),
        user=_text(raw, "user") or None,
        item=_text(raw, "item") or None,
        value=_number(raw, "value"),
        token=_text(raw, "token") or None,
        occurred_at=_time(raw, "occurred_at"),
        reason=_text(raw, "reason"),
        undoes=_uuid(raw, "undoes"),
        session_id=_text(raw, "session_id"),
    )


def key_in_text(request: HttpRequest) -> str:
    """Find a publishable key in a text/plain body: a beacon cannot send headers."""
    if body.media_type(request) != TEXT:
        return ""
    key = body.read_object(request).get("key")
    return key if isinstance(key, str) and key.startswith("pk_") else ""


class EventInput(Strict):
    """One event. A token tells user and item; without one it is organic and welcome."""

    event_id = serializers.UUIDField(
        required=False,
        allow_null=True,
        help_text=gettext_lazy("Yours: a repeat of the same event is harmless"),
    )
    type = serializers.CharField(
        max_length=24,
        help_text=gettext_lazy(
            "impression (or view), click, dwell, rating, like, want, cart, purchase, share, "
            "dismiss, undo, custom; each catalog knows its own"
        ),
    )
    token = serializers.CharField(required=False, allow_null=True, allow_blank=True)
    user = external_id(required=False, allow_null=True, allow_blank=True)
    item = external_id(required=False, allow_null=True, allow_blank=True)
    value = serializers.FloatField(required=False, allow_null=True)
    occurred_at = UtcTime(required=False, allow_null=True)
    reason = serializers.CharField(max_length=40, required=False, allow_null=True, allow_blank=True)
    undoes = serializers.UUIDField(
        required=False,
        allow_null=True,
        help_text=gettext_lazy("With type undo: the event to take back"),
    )
    session_id = serializers.CharField(
        max_length=64, required=False, allow_null=True, allow_blank=True
    )


class EventsInput(Strict):
    """A batch. `key` is read from text/plain bodies only."""

    events = serializers.ListField(child=EventInput(), max_length=MAX_EVENTS)
    key = serializers.CharField(required=False)


class ResultOutput(serializers.Serializer[Any]):
    """What became of one event."""

    index = serializers.IntegerField(min_value=0)
    event_id = serializers.UUIDField(allow_null=True)
    status = serializers.ChoiceField(["accepted", "duplicate", "rejected"])
    code = serializers.CharField(allow_null=True)
    detail = serializers.CharField(allow_null=True)


class EventsOutput(serializers.Serializer[Any]):
    """Counts, and a result per event in the order of the batch."""

    accepted = serializers.IntegerField(min_value=0)
    duplicates = serializers.IntegerField(min_value=0)
    rejected = serializers.IntegerField(min_value=0)
    results = ResultOutput(many=True)


class Events(ApiView):
    """The one door for what people do."""

    scopes: ClassVar = {"POST": "events"}
    media: ClassVar = (body.JSON, TEXT)
    plain: ClassVar = staticmethod(answer_events)
    key_in_body: ClassVar = staticmethod(key_in_text)

    @extend_schema(
        operation_id="recordEvents",
        summary=gettext_lazy("Say what people did"),
        description=gettext_lazy(
            "One event, or at most 1,000 in a batch. One bad event never sinks the batch. "
            "A single event whose id is taken by another body is answered 409."
        ),
        request={
            body.JSON: PolymorphicProxySerializer(
                "EventOrEvents", [EventInput, EventsInput], resource_type_field_name=None
            )
        },
        responses={202: EventsOutput},
    )
    def post(self, request: Request) -> HttpResponse:
        """Answer as the plain view does."""
        return answer_events(request._request)


def _answer_one(key: ApiKey, data: dict[str, Any]) -> HttpResponse:
    try:
        event = read_event(data)
    except BadEvent as bad:
        raise invalid((bad.error,)) from bad
    if key.kind == ApiKey.Kind.PUBLISHABLE:
        auth.refuse_user(key, event.user)
    results = _record(key, [data])
    if results[0].code == "conflict":
        raise Problem("event_conflict", str(results[0].detail))
    return body.answer(summary(results), 202)


def _entries(events: Any) -> list[Any]:
    if not isinstance(events, list):
        detail = _("events is a %(kind)s; an array is expected.") % {"kind": body.kind_of(events)}
        raise invalid((FieldError("/events", "invalid", detail),))
    if len(events) > MAX_EVENTS:
        detail = _("The batch has %(n)s entries; the most is %(most)s.")
        raise Problem("too_large", detail % {"n": len(events), "most": MAX_EVENTS})
    return events


def _record(key: ApiKey, entries: list[Any]) -> list[EventResult]:
    """Store the well-shaped entries in one transaction; merge in what is wrong with the others."""
    is_browser = key.kind == ApiKey.Kind.PUBLISHABLE
    results: list[EventResult | None] = [None] * len(entries)
    events: list[NewEvent] = []
    places: list[int] = []
    for index, raw in enumerate(entries):
        try:
            event = read_event(raw)
            events.append(_of_visitor(key, event) if is_browser else event)
            places.append(index)
        except BadEvent as bad:
            field = bad.error.pointer.lstrip("/")
            detail = f"{field}: {bad.error.detail}" if field else bad.error.detail
            results[index] = EventResult(index, None, "rejected", bad.error.code, detail)
    if len(places) < len(entries):
        services.keep_misshapen(
            catalog=key.catalog,
            refused=[(str(r.code), str(r.detail), entries[r.index]) for r in results if r],
        )
    source = Event.Source.WEB if is_browser else Event.Source.API
    recorded = record_events(catalog=key.catalog, events=events, source=source) if events else []
    for index, result in zip(places, recorded, strict=True):
        results[index] = EventResult(
            index, result.event_id, result.status, result.code, result.detail
        )
    return [result for result in results if result is not None]


def _of_visitor(key: ApiKey, event: NewEvent) -> NewEvent:
    """Keep a browser's event to the anonymous visitor whose session it names."""
    if event.user is not None:
        detail = _("A publishable key cannot name a user.")
        raise BadEvent("user", "anonymous_only", detail)
    if event.token or not event.session_id:
        return event
    visitor = people.known(key, None, event.session_id)
    return NewEvent(**{**event.__dict__, "user": visitor})


def _unknown(name: str, known: list[str]) -> BadEvent:
    detail = _("Unknown field; known are: %(known)s.") % {"known": ", ".join(known)}
    return BadEvent(name, "unknown_field", detail)


def _text(raw: dict[str, Any], name: str) -> str:
    value = raw.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        detail = _("Is a %(kind)s; a string is expected.") % {"kind": body.kind_of(value)}
        raise BadEvent(name, "invalid", detail)
    return value


def _number(raw: dict[str, Any], name: str) -> float | None:
    value = raw.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        detail = _("Is a %(kind)s; a number is expected.") % {"kind": body.kind_of(value)}
        raise BadEvent(name, "invalid", detail)
    return float(value)


def _uuid(raw: dict[str, Any], name: str) -> UUID | None:
    text = _text(raw, name)
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        detail = _("Is %(value)r; a UUID is expected.") % {"value": text[:50]}
        raise BadEvent(name, "invalid", detail) from None


def _time(raw: dict[str, Any], name: str) -> datetime | None:
    text = _text(raw, name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        detail = _("Is %(value)r; RFC 3339 with a zone is expected, such as 2026-11-24T08:00:00Z.")
        raise BadEvent(name, "invalid", detail % {"value": text[:50]})
    return moment
