"""Turn counts into sentences: how bad it is, what it means, what to do, where."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from recommender.dashboard import words
from recommender.dashboard.queries_data import DataFacts
from recommender.dashboard.queries_models import VersionRow
from recommender.jobs.models import Job
from recommender.train.models import TrainingRun

NEEDED_INTERACTIONS, GOOD_INTERACTIONS = 1_000, 50_000
NEEDED_USERS, GOOD_USERS = 25, 1_000
STALE = timedelta(days=2)
Severity = Literal["bad", "warn", "info"]


@dataclass(frozen=True)
class Finding:
    """One sentence for the operator. `done` of `needed` draws a bar."""

    severity: Severity
    text: str
    fix: str = ""
    link: str = ""
    link_text: str = ""
    done: int | None = None
    needed: int | None = None


@dataclass(frozen=True)
class Machinery:
    """What runs, or should."""

    has_worker: bool
    dead_jobs: tuple[Job, ...]
    live: VersionRow | None
    last_run: TrainingRun | None
    now: datetime


def about_data(facts: DataFacts) -> list[Finding]:
    """Say what is wrong with the data, worst first; nothing when it is fine."""
    found = [*_volume(facts), *_joins(facts), *_times(facts), *_refusals(facts), *_holes(facts)]
    order = {"bad": 0, "warn": 1, "info": 2}
    return sorted(found, key=lambda finding: order[finding.severity])


def _volume(facts: DataFacts) -> Iterator[Finding]:
    import_fix = _("Import more, or let people use the site: manage.py rec import.")
    if facts.interactions < NEEDED_INTERACTIONS:
        yield Finding(
            "bad",
            _("Interactions: %(n)s / %(needed)s. Below this, lists are little better than chance.")
            % _of(facts.interactions, NEEDED_INTERACTIONS),
            import_fix,
            done=facts.interactions,
            needed=NEEDED_INTERACTIONS,
        )
    elif facts.interactions < GOOD_INTERACTIONS:
        yield Finding(
            "info",
            _("Interactions: %(n)s / %(needed)s recommended.")
            % _of(facts.interactions, GOOD_INTERACTIONS),
            import_fix,
            done=facts.interactions,
            needed=GOOD_INTERACTIONS,
        )
    if facts.users_with_two < NEEDED_USERS:
        yield Finding(
            "bad",
            _("Users with at least two interactions: %(n)s / %(needed)s.")
            % _of(facts.users_with_two, NEEDED_USERS),
            _("A model learns from people who did more than one thing."),
            done=facts.users_with_two,
            needed=NEEDED_USERS,
        )
    elif facts.users_with_two < GOOD_USERS:
        yield Finding(
            "info",
            _("Users with at least two interactions: %(n)s / %(needed)s recommended.")
            % _of(facts.users_with_two, GOOD_USERS),
            done=facts.users_with_two,
            needed=GOOD_USERS,
        )


def _of(n: int, needed: int) -> dict[str, str]:
    return {"n": words.number(n), "needed": words.number(needed)}


def _joins(facts: DataFacts) -> Iterator[Finding]:
    tail = reverse("dashboard:events")
    share = facts.joined_share
    if share is not None and share < 1:
        yield Finding(
            "bad" if share < 0.95 else "warn",
            _("%(share)s of events name an item of the catalog; the others were refused.")
            % {"share": words.percent(min(share, 0.999))},
            _("Send the missing items first, or correct their ids."),
            tail,
            _("Refused events"),
        )
    share = facts.token_share
    if share is not None and share < 0.95:
        yield Finding(
            "bad" if share < 0.5 else "warn",
            _("%(share)s of clicks carry a valid token; the others count in no click rate.")
            % {"share": words.percent(share)},
            _("Send back the token of the item that was clicked."),
            "/api/docs/",
            _("API documentation"),
        )


def _times(facts: DataFacts) -> Iterator[Finding]:
    if facts.clamped:
        yield Finding(
            "warn",
            ngettext(
                "%(n)s event had a time outside the allowed range; it was moved to its edge.",
                "%(n)s events had a time outside the allowed range; they were moved to its edge.",
                facts.clamped,
            )
            % {"n": words.number(facts.clamped)},
            _("Check the clock and the time zone of the sender."),
        )
    if facts.late:
        yield Finding(
            "info",
            ngettext(
                "%(n)s event came more than a day late.",
                "%(n)s events came more than a day late.",
                facts.late,
            )
            % {"n": words.number(facts.late)},
            _("Late events train the next model, but missed their lists."),
        )
    if facts.duplicates_imported:
        yield Finding(
            "info",
            ngettext(
                "%(n)s imported row was a duplicate and was counted once.",
                "%(n)s imported rows were duplicates and were counted once.",
                facts.duplicates_imported,
            )
            % {"n": words.number(facts.duplicates_imported)},
        )


def _refusals(facts: DataFacts) -> Iterator[Finding]:
    remedies = {
        "conflict": _("The same event id came with another body. Make a new id for each event."),
        "bad_value": _("The value lies outside the catalog's scale."),
    }
    for code, n in facts.rejected.items():
        if code == "unknown_item":
            continue  # said by the share of joined events
        yield Finding(
            "warn",
            ngettext(
                "%(n)s event was refused: %(code)s.", "%(n)s events were refused: %(code)s.", n
            )
            % {"n": words.number(n), "code": code},
            remedies.get(code, _("Look at what came and why it was refused.")),
            f"{reverse('dashboard:events')}?code={code}",
            _("Refused events"),
        )


def _holes(facts: DataFacts) -> Iterator[Finding]:
    visible = facts.items - facts.items_hidden
    if facts.items_untouched:
        yield Finding(
            "info",
            _("%(n)s of %(all)s items have no interaction; only their content describes them.")
            % {"n": words.number(facts.items_untouched), "all": words.number(visible)},
        )
    single = facts.users - facts.users_with_two
    if single > 0:
        yield Finding(
            "info",
            _("%(n)s of %(all)s users have fewer than two interactions; they get popular items.")
            % {"n": words.number(single), "all": words.number(facts.users)},
        )


def about_machinery(machinery: Machinery) -> list[Finding]:
    """Say what does not run as it should, worst first."""
    found = [*_processes(machinery), *_models(machinery)]
    return sorted(found, key=lambda finding: finding.severity != "bad")


def _processes(machinery: Machinery) -> Iterator[Finding]:
    jobs = reverse("dashboard:jobs")
    if not machinery.has_worker:
        yield Finding(
            "bad",
            _("No worker has reported within the last minute: nothing can be trained."),
            _("Start one: make worker."),
            jobs,
            _("Jobs"),
        )
    if machinery.dead_jobs:
        n = len(machinery.dead_jobs)
        text = ngettext("%(n)s job was given up.", "%(n)s jobs were given up.", n)
        yield Finding("warn", text % {"n": n}, _("Read its error."), jobs, _("Jobs"))


def _models(machinery: Machinery) -> Iterator[Finding]:
    live, run = machinery.live, machinery.last_run
    if live is None:
        yield Finding(
            "bad",
            _("No model is live: everybody gets popular items."),
            _("Train one, or promote a version."),
            reverse("dashboard:models"),
            _("Models"),
        )
    elif live.version.broken_reason:
        yield Finding(
            "bad",
            _("The live version %(label)s could not be loaded: %(reason)s")
            % {"label": live.label, "reason": live.version.broken_reason},
            _("Roll back, or train again."),
            reverse("dashboard:model", args=[live.version.number]),
            live.label,
        )
    elif machinery.now - live.version.created_at > STALE:
        age = words.span((machinery.now - live.version.created_at).total_seconds())
        text = _("The live version was trained %(age)s ago.") % {"age": age}
        yield Finding("warn", text, _("Retrain."), reverse("dashboard:models"), _("Models"))
    if run is not None and run.state in {TrainingRun.State.FAILED, TrainingRun.State.LOST}:
        yield Finding(
            "warn",
            _("The last training (run %(id)s) %(state)s.")
            % {"id": run.pk, "state": words.word(words.RUN_STATES, run.state)},
            run.error.strip().splitlines()[-1] if run.error.strip() else "",
            reverse("dashboard:run", args=[run.pk]),
            _("Run %(id)s") % {"id": run.pk},
        )
