"""What a version would have earned, in a sentence with its interval, or why that is not known."""

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
from recommender.estimate import services
from recommender.estimate.models import Estimate
from recommender.jobs.models import Job
from recommender.jobs.services import enqueue
from recommender.promote.models import ModelVersion

REFUSALS: dict[str, Promise] = {
    "users": gettext_lazy("The lists are those of fewer than 200 people."),
    "sample": gettext_lazy(
        "Its lists differ so much from those shown that too few of them say anything."
    ),
    "outside": gettext_lazy("More than 5 % of what it would show was never a candidate."),
    "weights": gettext_lazy("The logged chances do not add up, or one list outweighs the others."),
    "fallback": gettext_lazy("More than 10 % of the lists came from a fallback."),
}


@dataclass(frozen=True)
class Estimated:
    """What the version's page shows of its newest estimate."""

    estimate: Estimate | None
    sentence: str
    evidence: str
    refusals: Sequence[str]
    is_running: bool


def estimated(version: ModelVersion) -> Estimated:
    """Read a version's newest estimate. Two queries."""
    newest = version.estimates.order_by("-id").first()
    is_open = Job.objects.filter(
        dedup_key=services.job_key(version), state__in=(Job.State.DUE, Job.State.CLAIMED)
    ).exists()
    if newest is None:
        return Estimated(None, "", "", (), is_open)
    refusals = [words.word(REFUSALS, name) for name in newest.refusals]
    sentence = "" if refusals else _sentence(newest, version)
    return Estimated(newest, sentence, _evidence(newest), refusals, is_open)


def _sentence(made: Estimate, version: ModelVersion) -> str:
    figures: Mapping[str, Any] = made.figures
    return _(
        "%(version)s would have earned %(value)s clicks a list, against %(earned)s that were "
        "earned on the same lists; difference %(difference)s."
    ) % {
        "version": version.label,
        "value": _bounded(figures, "value"),
        "earned": _bounded(figures, "earned"),
        "difference": _bounded(figures, "difference", is_signed=True),
    }


def _evidence(made: Estimate) -> str:
    said = _("Evidence: %(n)s lists of %(users)s people, up to %(places)s places each.") % {
        "n": made.n,
        "users": made.n_users,
        "places": 10,
    }
    if not made.n:
        return said
    worth = _("They are worth %(sample)s lists of its own. Not covered: %(outside)s %%.") % {
        "sample": f"{made.figures['sample']:.0f}",
        "outside": f"{100 * made.figures['outside']:.1f}",
    }
    return f"{said} {worth}"


def _bounded(figures: Mapping[str, Any], name: str, *, is_signed: bool = False) -> str:
    """Write a figure with its interval."""
    found: Figure | None = read_figure(figures.get(name))
    if found is None or found.low is None or found.high is None:
        return "–"
    write = words.signed if is_signed else _plain
    low, high = write(found.low, 3), write(found.high, 3)
    return f"{write(found.value, 3)} ({low} … {high})"


def _plain(value: float, digits: int) -> str:
    return f"{value:.{digits}f}"


@operator
def make(request: HttpRequest, number: int) -> HttpResponse:
    """Queue an estimate of a version."""
    version = queries_models.version_row(required_scope(request), number).version

    def act() -> str:
        with transaction.atomic():
            key = services.job_key(version)
            job = enqueue(services.TASK, dedup_key=key, version_id=version.pk)
        if job is None:
            raise Refused(_("%(label)s is being estimated.") % {"label": version.label})
        return _("%(label)s will be estimated; look again in a minute.") % {"label": version.label}

    attempt(request, act)
    return back_to(request, reverse("dashboard:model", args=[number]))
