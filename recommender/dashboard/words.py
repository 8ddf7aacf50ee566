"""Write figures, times and states in the reader's language."""

import math
from datetime import datetime

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

RUN_STATES: dict[str, Promise] = {
    "queued": gettext_lazy("queued"),
    "loading": gettext_lazy("reading data"),
    "training": gettext_lazy("training"),
    "evaluating": gettext_lazy("measuring"),
    "gate": gettext_lazy("at the gate"),
    "ready": gettext_lazy("ready"),
    "rejected": gettext_lazy("not promoted"),
    "done": gettext_lazy("done"),
    "failed": gettext_lazy("failed"),
    "cancelled": gettext_lazy("stopped"),
    "lost": gettext_lazy("lost"),
}
RUN_MODES: dict[str, Promise] = {
    "full": gettext_lazy("from scratch"),
    "incremental": gettext_lazy("from the live version"),
    "search": gettext_lazy("search for settings"),
}
VERSION_STATES: dict[str, Promise] = {
    "candidate": gettext_lazy("candidate"),
    "shadow": gettext_lazy("shadow"),
    "live": gettext_lazy("live"),
    "retired": gettext_lazy("retired"),
    "rejected": gettext_lazy("rejected"),
}
JOB_STATES: dict[str, Promise] = {
    "due": gettext_lazy("waiting"),
    "claimed": gettext_lazy("at work"),
    "done": gettext_lazy("done"),
    "dead": gettext_lazy("given up"),
    "running": gettext_lazy("running"),
    "failed": gettext_lazy("failed"),
}
ACTIONS: dict[str, Promise] = {
    "promote": gettext_lazy("went live"),
    "refuse": gettext_lazy("kept back"),
    "roll_back": gettext_lazy("rolled back to"),
    "discard": gettext_lazy("discarded"),
    "variant": gettext_lazy("serves as another variant"),
}
TRIGGERS: dict[str, Promise] = {
    "search": gettext_lazy("a search"),
    "retry": gettext_lazy("a retry"),
    "operator": gettext_lazy("an operator"),
    "api": gettext_lazy("the API"),
    "setup": gettext_lazy("set-up"),
    "demo": gettext_lazy("the demo"),
    "events": gettext_lazy("new events"),
    "new_events": gettext_lazy("new events"),
    "age": gettext_lazy("the model's age"),
    "new_items": gettext_lazy("new items"),
}
MODELS: dict[str, Promise] = {
    "popularity": gettext_lazy("Popularity"),
    "content": gettext_lazy("Content"),
    "user_knn": gettext_lazy("User neighbors"),
    "item_knn": gettext_lazy("Item neighbors"),
    "ease": gettext_lazy("EASE"),
    "slit": gettext_lazy("Item transitions"),
    "matrix_factorization": gettext_lazy("Matrix factorization"),
    "neumf": gettext_lazy("NeuMF"),
    "two_tower": gettext_lazy("Two towers"),
    "caser": gettext_lazy("Caser"),
    "transformer": gettext_lazy("Transformer"),
    "hybrid": gettext_lazy("Hybrid"),
    "random": gettext_lazy("Random"),
    "champion": gettext_lazy("live version"),
}
METRICS: dict[str, Promise] = {
    "precision": gettext_lazy("Precision"),
    "ndcg": gettext_lazy("NDCG"),
    "recall": gettext_lazy("Recall"),
    "mrr": gettext_lazy("MRR"),
    "hit": gettext_lazy("Hit rate"),
    "auc": gettext_lazy("AUC"),
    "hit_rate": gettext_lazy("Hit rate"),
    "coverage": gettext_lazy("Coverage"),
    "gini": gettext_lazy("Gini"),
    "novelty": gettext_lazy("Novelty"),
    "diversity": gettext_lazy("Diversity"),
    "ild": gettext_lazy("Diversity"),
    "finite_scores": gettext_lazy("Finite scores"),
}
STRATEGIES: dict[str, Promise] = {
    "neural": gettext_lazy("Deep"),
    "item_item": gettext_lazy("Similar"),
    "mean": gettext_lazy("Public favorites"),
    "popular": gettext_lazy("Popular"),
    "cold_start": gettext_lazy("Popular and new"),
}
SEGMENTS: dict[str, Promise] = {
    "new": gettext_lazy("New users"),
    "light": gettext_lazy("Light users"),
    "heavy": gettext_lazy("Heavy users"),
}
EVENT_TYPES: dict[str, Promise] = {
    "impression": gettext_lazy("views"),
    "view": gettext_lazy("views"),
    "click": gettext_lazy("clicks"),
    "dwell": gettext_lazy("time spent"),
    "rating": gettext_lazy("ratings"),
    "like": gettext_lazy("likes"),
    "want": gettext_lazy("wants"),
    "cart": gettext_lazy("added to cart"),
    "purchase": gettext_lazy("purchases"),
    "share": gettext_lazy("shares"),
    "dismiss": gettext_lazy("dismissals"),
    "undo": gettext_lazy("undos"),
    "custom": gettext_lazy("other events"),
}
EVENT_NAMES: dict[str, Promise] = {
    "impression": gettext_lazy("view"),
    "click": gettext_lazy("click"),
    "dwell": gettext_lazy("time spent"),
    "rating": gettext_lazy("rating"),
    "like": gettext_lazy("like"),
    "want": gettext_lazy("want"),
    "cart": gettext_lazy("added to cart"),
    "purchase": gettext_lazy("purchase"),
    "share": gettext_lazy("share"),
    "dismiss": gettext_lazy("dismissal"),
    "custom": gettext_lazy("other event"),
}
_LOWER_IS_BETTER = frozenset({"gini"})


def word(table: dict[str, Promise], name: str) -> str:
    """Look a name up; a name that nobody translated is shown as it is, spaced."""
    return str(table[name]) if name in table else name.replace("_", " ")


def metric_name(name: str) -> str:
    """Write `ndcg@10` as NDCG@10."""
    base, at, k = name.partition("@")
    return f"{word(METRICS, base)}{at}{k}"


def is_lower_better(metric: str) -> bool:
    """Tell whether a fall of this metric is good."""
    return metric.partition("@")[0] in _LOWER_IS_BETTER


def number(value: float | None, digits: int = 0) -> str:
    """Write a number with separators, as both languages do; – when there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.{digits}f}".replace("-", "−")


def percent(value: float | None, digits: int = 1) -> str:
    """Write a share as a percentage."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{number(100 * value, digits)} %"


def signed(value: float, digits: int = 1) -> str:
    """Write a difference with its sign; − is the minus sign, not a hyphen."""
    text = number(abs(value), digits)
    if float(f"{abs(value):.{digits}f}") == 0:
        return f"±{text}"
    return ("+" if value > 0 else "−") + text


def points(value: float) -> str:
    """Write a difference of shares in percentage points."""
    return _("%(points)s points") % {"points": signed(100 * value, 1)}


def between(low: float | None, high: float | None, digits: int = 3) -> str:
    """Write a 95 % interval; empty when there is none."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{number(low, digits)} – {number(high, digits)}"


def size(n_bytes: int) -> str:
    """Write a size in kB, MB or GB."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= factor:
            return f"{number(n_bytes / factor, 1)} {unit}"
    return f"{number(n_bytes / 1e3, 1)} kB"


def clock_time(seconds: float) -> str:
    """Write a span as 1:42 or 1:02:03."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


_SPANS = (
    (86_400, ngettext_lazy("%(n)s day", "%(n)s days", "n")),
    (3_600, ngettext_lazy("%(n)s hour", "%(n)s hours", "n")),
    (60, ngettext_lazy("%(n)s minute", "%(n)s minutes", "n")),
    (1, ngettext_lazy("%(n)s second", "%(n)s seconds", "n")),
)


def span(seconds: float) -> str:
    """Write a span in words, in its largest unit."""
    whole = max(1, round(seconds))
    unit_s, text = next(row for row in _SPANS if whole >= row[0])
    return str(text % {"n": whole // unit_s})


def ago(then: datetime, now: datetime) -> str:
    """Write how long ago a moment was."""
    spent = now - then
    return _("%(span)s ago") % {"span": span(spent.total_seconds())}


def moment(at: datetime | None) -> str:
    """Write a moment in the site's time zone, to the minute."""
    if at is None:
        return "–"
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M")


def freshness(newest: datetime | None, now: datetime) -> str:
    """Say how fresh the figures are."""
    if newest is None:
        return _("no data yet")
    local = timezone.localtime(newest)
    is_today = local.date() == timezone.localtime(now).date()
    at = local.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M")
    return _("data up to %(at)s (%(ago)s)") % {"at": at, "ago": ago(newest, now)}
