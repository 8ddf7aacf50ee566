"""The variants of a version: what each weighs and costs, and which of them serves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from recommender.dashboard import queries_models, words
from recommender.dashboard.access import attempt, back_to, operator, required_scope
from recommender.dashboard.queries_models import Figure, read_figure
from recommender.errors import Refused
from recommender.jobs.models import Job
from recommender.jobs.services import enqueue
from recommender.promote import variants
from recommender.promote.models import ModelVersion, Variant

NAMES: dict[str, Promise] = {
    "original": gettext_lazy("Original, as trained"),
    "float16": gettext_lazy("Half precision (fp16)"),
    "int8_rows": gettext_lazy("Tables of one byte a number"),
    "int8_tower": gettext_lazy("User tower of one byte a number"),
    "int8": gettext_lazy("Tables and tower of one byte a number (int8)"),
    "short": gettext_lazy("Half as many numbers a vector, half precision"),
    "short_int8": gettext_lazy("Half as many numbers a vector, one byte each"),
}
METRIC = "ndcg@10"


@dataclass(frozen=True)
class Line:
    """One variant in the table."""

    name: str
    label: str
    size_bytes: int
    share: float | None  # of the original's bytes
    latency_ms: float | None  # CPU time of one user's list
    worth: Figure | None  # NDCG@10
    difference: Figure | None  # to the original, paired by user
    overlap: Figure | None  # share of the original's first ten that it keeps
    error: str
    serves: bool

    @property
    def shown_share(self) -> str:
        """Write the share of the original's size."""
        return "–" if self.share is None else f"{100 * self.share:.0f} %"

    @property
    def shown_difference(self) -> str:
        """Write the difference with its interval."""
        found = self.difference
        if found is None:
            return "–"
        if found.low is None or found.high is None:
            return words.signed(found.value, 4)
        interval = f"{words.signed(found.low, 4)} … {words.signed(found.high, 4)}"
        return f"{words.signed(found.value, 4)} ({interval})"


@dataclass(frozen=True)
class Variants:
    """What the version's page shows of its variants."""

    lines: Sequence[Line]
    is_measuring: bool
    sentence: str


def variants_of(version: ModelVersion) -> Variants:
    """Read a version's measured variants, the largest first. Two queries."""
    serving = version.variant or Variant.ORIGINAL
    rows = sorted(version.variants.all(), key=lambda row: -_bytes(row))
    lines = [_line(row, serving) for row in rows]
    is_open = Job.objects.filter(
        dedup_key=variants.job_key(version), state__in=(Job.State.DUE, Job.State.CLAIMED)
    ).exists()
    return Variants(lines, is_open, _sentence(lines))


def _bytes(row: Variant) -> int:
    return int(row.figures.get("bytes") or row.size_bytes)


def _line(row: Variant, serving: str) -> Line:
    figures: Mapping[str, Any] = row.figures
    return Line(
        name=row.name,
        label=words.word(NAMES, row.name),
        size_bytes=_bytes(row),
        share=figures.get("share"),
        latency_ms=figures.get("latency_ms"),
        worth=read_figure(figures.get(METRIC)),
        difference=read_figure(figures.get("difference")),
        overlap=read_figure(figures.get("overlap")),
        error=row.error,
        serves=row.name == serving,
    )


def _sentence(lines: Sequence[Line]) -> str:
    """Say which variant is the smallest that is not clearly worse than the original."""
    fair = [
        line
        for line in lines
        if line.difference and (line.difference.high is None or line.difference.high >= 0)
    ]
    if not fair:
        return ""
    best = min(fair, key=lambda line: line.size_bytes)
    return _(
        "%(name)s takes %(share)s of the original's bytes; its lists are not clearly worse: "
        "NDCG@10 %(difference)s."
    ) % {"name": best.label, "share": best.shown_share, "difference": best.shown_difference}


@operator
def measure(request: HttpRequest, number: int) -> HttpResponse:
    """Queue the making and measuring of a version's variants."""
    version = queries_models.version_row(required_scope(request), number).version

    def act() -> str:
        variants.require_original(version)
        with transaction.atomic():
            job = enqueue(variants.TASK, dedup_key=variants.job_key(version), version_id=version.pk)
        if job is None:
            raise Refused(_("The variants of %(label)s are being measured.") % {"label": version})
        return _("The variants of %(label)s will be measured; look again in a minute.") % {
            "label": version
        }

    attempt(request, act)
    return back_to(request, reverse("dashboard:model", args=[number]))


@operator
def serve(request: HttpRequest, number: int) -> HttpResponse:
    """Let another variant of the version serve."""
    version = queries_models.version_row(required_scope(request), number).version
    name = request.POST.get("variant", "")

    def act() -> str:
        variants.serve(
            version=version,
            name=name,
            actor=request.user.get_username(),
            reason=_("decided in the panel"),
        )
        return _("%(label)s serves as: %(name)s.") % {
            "label": version,
            "name": words.word(NAMES, name),
        }

    attempt(request, act)
    return back_to(request, reverse("dashboard:model", args=[number]))
