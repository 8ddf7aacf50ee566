"""Batches of items, users or ratings: JSON or NDJSON in, a result per entry out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from rest_framework import serializers

from recommender.api import body
from recommender.api.errors import invalid, translate
from recommender.api.fields import Strict
from recommender.api.problems import FieldError, Problem
from recommender.api.views import check

MOST = 1000


class EntryOutput(serializers.Serializer[Any]):
    """What became of one entry."""

    index = serializers.IntegerField(min_value=0)
    id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(["accepted", "rejected"])
    code = serializers.CharField(allow_null=True)
    detail = serializers.CharField(allow_null=True)


class BatchOutput(serializers.Serializer[Any]):
    """Counts, and a result per entry in order."""

    accepted = serializers.IntegerField(min_value=0)
    rejected = serializers.IntegerField(min_value=0)
    results = EntryOutput(many=True)


@dataclass(frozen=True)
class Batch:
    """How one kind of batch is checked and stored."""

    serializer: type[Strict]
    make: Callable[[Mapping[str, Any]], Any]
    check: Callable[[Any], None]  # raises what the entry is rejected with
    store: Callable[[list[Any]], None]  # one transaction for all good entries


def read(request: HttpRequest, name: str) -> list[Any]:
    """Read the entries: `{"<name>": [...]}`, or NDJSON, one a line.

    Raises: Problem 400 for another shape, 413 for more than 1,000 entries.
    """
    if body.media_type(request) == body.NDJSON:
        return body.read_lines(request, MOST)
    data = body.read_object(request)
    entries = data.get(name)
    if not isinstance(entries, list) or set(data) != {name}:
        detail = _("Send an object whose only field is %(name)s, an array.") % {"name": name}
        raise invalid((FieldError(f"/{name}", "invalid", detail),))
    if len(entries) > MOST:
        detail = _("The batch has %(n)s entries; the most is %(most)s.")
        raise Problem("too_large", detail % {"n": len(entries), "most": MOST})
    return entries


def answer(entries: list[Any], batch: Batch) -> HttpResponse:
    """Store the good entries in one transaction and answer a result per entry."""
    good: list[Any] = []
    results: list[dict[str, Any]] = []
    for index, raw in enumerate(entries):
        name = raw.get("id") if isinstance(raw, dict) else None
        result = {
            "index": index,
            "id": name if isinstance(name, str) else None,
            "status": "accepted",
            "code": None,
            "detail": None,
        }
        try:
            entry = batch.make(check(batch.serializer, raw))
            batch.check(entry)
            good.append(entry)
        except Exception as exception:
            problem = translate(exception)
            if problem is None:
                raise
            code = problem.errors[0].code if problem.errors else problem.code
            result |= {"status": "rejected", "code": code, "detail": problem.detail}
        results.append(result)
    if good:
        batch.store(good)
    counts = {"accepted": len(good), "rejected": len(entries) - len(good)}
    return body.answer({**counts, "results": results})
