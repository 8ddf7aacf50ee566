"""Tags of the operator panel: addresses that keep the catalog, charts, figures in words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import template
from django.urls import reverse

from recommender.dashboard import words
from recommender.dashboard.charts import Chart
from recommender.dashboard.queries_models import Figure
from recommender.dashboard.search_words import OUTCOMES
from recommender.promote.models import Promotion
from recommender.promote.words import reason_of

register = template.Library()


@register.simple_tag(takes_context=True)
def ops(context: Mapping[str, Any], name: str, *args: Any, **query: Any) -> str:
    """Build an address of the panel that keeps the catalog; empty query values are left out."""
    kept = {**context.get("scope_query", {}), **query}
    asked = {key: value for key, value in kept.items() if value not in ("", None)}
    address = reverse(f"dashboard:{name}", args=args)
    return f"{address}?{urlencode(asked)}" if asked else address


@register.inclusion_tag("dashboard/_chart.html")
def chart(drawn: Chart | None) -> dict[str, Any]:
    """Include a figure, its reading and its numbers; the script draws it once it is near."""
    return {"chart": drawn, "json_id": f"figure-{drawn.id}" if drawn else ""}


@register.filter
def run_state(name: str) -> str:
    """Say a run's state."""
    return words.word(words.RUN_STATES, name)


@register.filter
def version_state(name: str) -> str:
    """Say a version's state."""
    return words.word(words.VERSION_STATES, name)


@register.filter
def job_state(name: str) -> str:
    """Say a job's or an import's state."""
    return words.word(words.JOB_STATES, name)


@register.filter
def action(name: str) -> str:
    """Say what a promotion row did."""
    return words.word(words.ACTIONS, name)


@register.filter
def trigger(name: str) -> str:
    """Say who or what started a run."""
    return words.word(words.TRIGGERS, name)


@register.filter
def run_mode(name: str) -> str:
    """Say what kind of run it is."""
    return words.word(words.RUN_MODES, name)


@register.filter
def trial_outcome(name: str) -> str:
    """Say how a trial ended."""
    return words.word(OUTCOMES, name)


@register.filter
def model_name(name: str) -> str:
    """Say a model's name."""
    return words.word(words.MODELS, name)


@register.filter
def strategy(name: str) -> str:
    """Say what produced a list."""
    return words.word(words.STRATEGIES, name)


@register.filter
def reason(decision: Promotion) -> str:
    """Say why a decision was taken."""
    return reason_of(decision)


@register.filter
def metric_name(name: str) -> str:
    """Say a metric's name, such as NDCG@10."""
    return words.metric_name(name)


@register.filter
def event_type(name: str) -> str:
    """Say an event type, one of them."""
    return words.word(words.EVENT_NAMES, name)


@register.filter
def moment(at: datetime | None) -> str:
    """Write a moment to the minute."""
    return words.moment(at)


@register.filter
def figure(found: Figure | None, digits: int = 3) -> str:
    """Write a metric's value; – when there is none."""
    return "–" if found is None else words.number(found.value, digits)


@register.filter
def bounds(found: Figure | None, digits: int = 3) -> str:
    """Write a metric's 95 % interval; empty when there is none."""
    return "" if found is None else words.between(found.low, found.high, digits)


@register.filter
def number(value: float | None, digits: int = 0) -> str:
    """Write a number with separators."""
    return words.number(value, digits)


@register.filter
def percent(value: float | None, digits: int = 1) -> str:
    """Write a share as a percentage."""
    return words.percent(value, digits)


@register.filter
def size(n_bytes: int) -> str:
    """Write a size in kB, MB or GB."""
    return words.size(n_bytes)


@register.filter
def clock_time(seconds: float | None) -> str:
    """Write a span as 1:42."""
    return "–" if seconds is None else words.clock_time(seconds)


@register.filter
def span(seconds: float | None) -> str:
    """Write a span in words."""
    return "–" if seconds is None else words.span(seconds)
