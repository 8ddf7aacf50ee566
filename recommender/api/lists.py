"""Lists of recommended items: the question as it comes, and the one answer shape of all lists."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from rest_framework import serializers

from recommender.accounts.models import ApiKey
from recommender.api import auth, body, cursors, people
from recommender.api.errors import invalid
from recommender.api.problems import FieldError, Problem
from recommender.serve.answers import (
    Contribution,
    Explanation,
    ListAnswer,
    ListRequest,
    Reason,
    ShownItem,
)

MAX_LIMIT = 100
NAMES = frozenset(
    {
        "user", "surface", "limit", "cursor", "context_item", "filter",
        "explain", "personalised", "session_id", "shadow",
    }
)  # fmt: skip
LENGTHS = {"user": 200, "surface": 16, "cursor": 2000, "context_item": 200, "session_id": 64}
TRUE = frozenset({"1", "true"})
FALSE = frozenset({"0", "false", ""})
SURFACE = re.compile(r"[a-z0-9_-]{1,16}")


LENGTH_DETAIL = gettext_lazy("Has %(n)s characters; send %(least)s to %(most)s.")
REPEATED_DETAIL = gettext_lazy("%(n)s entries are repeated; name each item once.")


class ListQuery(serializers.Serializer[Any]):
    """The query of a list. Documentation only: `read_query` checks it without DRF's cost."""

    user = serializers.CharField(
        max_length=200,
        required=False,
        help_text=gettext_lazy("Your id of the user; unknown ones are welcome"),
    )
    surface = serializers.RegexField(
        r"^[a-z0-9_-]{1,16}$",
        required=False,
        help_text=gettext_lazy("Where the list is shown, e.g. `home`"),
    )
    limit = serializers.IntegerField(min_value=1, max_value=MAX_LIMIT, required=False, default=20)
    cursor = serializers.CharField(
        max_length=2000, required=False, help_text=gettext_lazy("`next_cursor` of the page before")
    )
    context_item = serializers.CharField(
        max_length=200, required=False, help_text=gettext_lazy("The item that the page is about")
    )
    filter = serializers.ListField(
        child=serializers.RegexField(r"^[^:]+:.+$"),
        required=False,
        help_text=gettext_lazy(
            "`name:value`, repeatable: category, tag, creator, language, price_min, "
            "price_max, published_after, published_before"
        ),
    )
    explain = serializers.ChoiceField(["0", "1", "false", "true"], required=False)
    personalised = serializers.ChoiceField(["0", "1", "false", "true"], required=False)
    session_id = serializers.CharField(
        max_length=64,
        required=False,
        help_text=gettext_lazy("An anonymous visitor's own random id"),
    )
    shadow = serializers.ChoiceField(
        ["greedy"],
        required=False,
        help_text=gettext_lazy("Read without logging; only on a simulated clock"),
    )


class ReasonOutput(serializers.Serializer[Any]):
    """Why an item is here."""

    kind = serializers.CharField()
    text = serializers.CharField()
    ref = serializers.CharField(allow_null=True)
    weight = serializers.FloatField()


class StepOutput(serializers.Serializer[Any]):
    """One stage on an item's way into the list."""

    stage = serializers.CharField()
    text = serializers.CharField()
    rank = serializers.IntegerField(allow_null=True)
    score = serializers.FloatField(allow_null=True)


class ComponentOutput(serializers.Serializer[Any]):
    """A part of the score by what the model knows."""

    name = serializers.CharField()
    text = serializers.CharField()
    weight = serializers.FloatField()


class ExplanationOutput(serializers.Serializer[Any]):
    """The score taken apart: by cause (bias + contributions) and by knowledge (components)."""

    bias = serializers.FloatField()
    contributions = ReasonOutput(many=True)
    components = ComponentOutput(many=True)
    path = StepOutput(many=True)


class ChanceOutput(serializers.Serializer[Any]):
    """How likely a click or a purchase is: of unseen items with such a score at a visit, the share
    that was taken before the window had passed."""

    kind = serializers.ChoiceField(["click", "purchase"])
    probability = serializers.FloatField(min_value=0, max_value=1)
    window_days = serializers.FloatField()
    text = serializers.CharField()


class ShownItemOutput(serializers.Serializer[Any]):
    """One item as shown."""

    item = serializers.CharField()
    position = serializers.IntegerField(min_value=1)
    score = serializers.FloatField()
    propensity = serializers.FloatField()
    predicted_rating = serializers.FloatField(allow_null=True)
    reasons = ReasonOutput(many=True)
    token = serializers.CharField(allow_blank=True)
    chances = ChanceOutput(many=True, required=False)
    uncertainty = serializers.FloatField(allow_null=True, required=False)
    explanation = ExplanationOutput(allow_null=True, required=False)


class VariantOutput(serializers.Serializer[Any]):
    """The experiment that decided, when one did."""

    id = serializers.CharField()
    variant = serializers.CharField()


class ListOutput(serializers.Serializer[Any]):
    """The answer of recommendations, rank, similar and search."""

    slate_id = serializers.UUIDField(allow_null=True)
    model_version = serializers.CharField(allow_null=True)
    strategy = serializers.CharField()
    personalised = serializers.BooleanField()
    experiment = VariantOutput(allow_null=True)
    items = ShownItemOutput(many=True)
    next_cursor = serializers.CharField(allow_null=True)
    degraded = serializers.BooleanField(required=False)


@dataclass(frozen=True)
class Query:
    """A list's query string, checked."""

    values: Mapping[str, str]
    filters: Mapping[str, str]
    limit: int
    explain: bool
    is_personalized: bool


def read_query(data: QueryDict, also: frozenset[str] = frozenset()) -> Query:
    """Check the query of a list.

    Raises: Problem 400 naming the parameter, its value and what was expected.
    """
    for name in data:
        if name not in NAMES and name not in also:
            known = ", ".join(sorted(NAMES | also))
            raise bad(
                name, "unknown_field", _("Unknown parameter; known are: %(k)s.") % {"k": known}
            )
    values = {name: str(data[name]) for name in data if name != "filter"}
    for name, most in LENGTHS.items():
        if len(values.get(name, "")) > most:
            detail = _("Has more than %(most)s characters.") % {"most": most}
            raise bad(name, "too_long", detail)
    surface = values.get("surface", "")
    if surface and not SURFACE.fullmatch(surface):
        raise bad("surface", "invalid", _("Must be a short word in lower case, such as home."))
    return Query(
        values=values,
        filters=dict(_filter(str(text)) for text in data.getlist("filter")),
        limit=_limit(values.get("limit")),
        explain=_flag(values, "explain", False),
        is_personalized=_flag(values, "personalised", True),
    )


def replace_value(query: Query, name: str, value: str) -> Query:
    """Set one value that the address itself names."""
    return replace(query, values={**query.values, name: value})


def language() -> str:
    """Return the language of the answer's texts."""
    return get_language() or "en"


def make_request(request: HttpRequest, query: Query, *, surface: str = "api") -> ListRequest:
    """Turn a checked query into what `serve` takes.

    Raises: Problem 403 when a publishable key names a user, 404 for a shadow read that is not
        allowed here.
    """
    key = auth.key_of(request)
    values = query.values
    user = values.get("user") or None
    auth.refuse_user(key, user)
    is_shadow = _is_shadow(key, values.get("shadow"))
    if not is_shadow and query.is_personalized:
        user = people.known(key, user, values.get("session_id", ""))
    return ListRequest(
        catalog=key.catalog,
        user_ref=user,
        surface=values.get("surface") or surface,
        limit=query.limit,
        cursor=values.get("cursor") or None,
        context_item=values.get("context_item") or None,
        filters=query.filters,
        explain=query.explain,
        is_personalized=query.is_personalized,
        session_id=values.get("session_id", ""),
        locale=language(),
        request_id=getattr(request, "request_id", ""),
        is_shadow=is_shadow,
    )


def respond(request: HttpRequest, answer: ListAnswer, asked: ListRequest) -> HttpResponse:
    """Write a list answer, with the address of its next page."""
    response = body.answer(as_json(answer, asked.explain, asked.is_shadow))
    response["Cache-Control"] = "no-store"  # every list is a new slate
    if request.method == "GET":
        cursors.link(request, response, answer.next_cursor)
    return response


def as_json(answer: ListAnswer, explain: bool, is_shadow: bool = False) -> dict[str, Any]:
    """Give all fields of a list answer; a shadow read belongs to no slate."""
    found = {
        "slate_id": None if is_shadow else answer.slate_id,
        "model_version": answer.model_version,
        "strategy": answer.strategy,
        "personalised": answer.is_personalized,
        "experiment": None,
        "items": [_item(item, explain) for item in answer.items],
        "next_cursor": answer.next_cursor,
    }
    if answer.is_degraded:
        found["degraded"] = True
    return found


def _item(item: ShownItem, explain: bool) -> dict[str, Any]:
    shown = {
        "item": item.external_id,
        "position": item.position,
        "score": item.score,
        "propensity": item.propensity,
        "predicted_rating": item.predicted_rating,
        "reasons": [_reason(reason) for reason in item.reasons],
        "token": item.token,
    }
    if item.chances:
        shown["chances"] = [
            {
                "kind": chance.kind,
                "probability": chance.probability,
                "window_days": chance.window_days,
                "text": chance.text,
            }
            for chance in item.chances
        ]
    if explain:
        shown["uncertainty"] = item.uncertainty
        shown["explanation"] = _explanation(item.explanation)
    return shown


def _reason(reason: Reason | Contribution) -> dict[str, Any]:
    return {
        "kind": reason.kind,
        "text": reason.text,
        "ref": reason.ref,
        "weight": reason.weight,
    }


def _explanation(explanation: Explanation | None) -> dict[str, Any] | None:
    if explanation is None:
        return None
    return {
        "bias": explanation.bias,
        "contributions": [_reason(part) for part in explanation.contributions],
        "components": [
            {"name": part.name, "text": part.text, "weight": part.weight}
            for part in explanation.components
        ],
        "path": [
            {"stage": step.stage, "text": step.text, "rank": step.rank, "score": step.score}
            for step in explanation.path
        ],
    }


def _limit(text: str | None) -> int:
    if text is None:
        return 20
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= MAX_LIMIT):
        detail = _("limit is %(value)s; send a whole number from 1 to %(most)s.")
        raise bad("limit", "out_of_range", detail % {"value": text[:20], "most": MAX_LIMIT})
    return int(text)


def _flag(values: Mapping[str, str], name: str, default: bool) -> bool:
    if name not in values:
        return default
    text = values[name].lower()
    if text not in TRUE | FALSE:
        detail = _("%(name)s is %(value)r; send 1 or 0.") % {"name": name, "value": text[:20]}
        raise bad(name, "invalid", detail)
    return text in TRUE


def _filter(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not name or not colon or not value:
        detail = _("filter is %(value)r; send name:value, such as category:Drama.")
        raise bad("filter", "invalid", detail % {"value": text[:60]})
    return name, value


def _is_shadow(key: ApiKey, shadow: str | None) -> bool:
    if shadow is None:
        return False
    # As for the clock: without the boot flag nobody can tell that this exists.
    if not settings.SIM_CLOCK or not auth.has_scope(key, "operate"):
        raise Problem("not_found", _("There is no such address or object."))
    if shadow != "greedy":
        raise bad("shadow", "invalid", _("shadow is %(v)r; send greedy.") % {"v": shadow[:20]})
    return True


def bad(name: str, code: str, detail: str) -> Problem:
    """Word a wrong query parameter."""
    return invalid((FieldError(f"/{name}", code, detail, "query"),))
