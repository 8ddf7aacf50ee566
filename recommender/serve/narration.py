"""Have a language model reword an explanation: asked for by a page, written by a worker.

The page never waits: it shows the template, and looks now and then whether a sentence has come. A
model that fails three times in a row is left alone for a minute.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction

from recommender import clock
from recommender.serve.answers import ItemWhy
from recommender.serve.facts import Facts
from recommender.serve.models import Narration
from recommender.serve.sentences import Refusal, checked

log = structlog.get_logger(__name__)

State = Narration.State
MOST_FAILURES = 3  # in a row: then the model gets a pause
PAUSE = timedelta(seconds=60)
LOST_AFTER = timedelta(seconds=60)  # a worker that took longer has died
RETRY_AFTER = timedelta(minutes=10)
KEPT = timedelta(days=7)


class Writer(Protocol):
    """A language model, as `ml.narrators` loads it."""

    def write(self, task: str, facts: str) -> str:
        """Return what the model answers."""
        ...


def find(why: ItemWhy) -> Narration | None:
    """Return what is known of this explanation's sentence; one query, none without the setting."""
    facts = facts_to_tell(why)
    return Narration.objects.filter(key=facts.key(settings.NARRATOR)).first() if facts else None


def ask(why: ItemWhy) -> tuple[Narration | None, bool]:
    """Return the row of this explanation's sentence, and whether a worker should write it now.

    None where no model is set, nothing is cited, or the model has its pause and nothing is known.
    """
    facts, found = facts_to_tell(why), find(why)
    if facts is None or (found is None and is_paused()):
        return None, False
    if found is None:
        return _made(facts)
    if not _is_due(found) or is_paused():
        return found, False
    # Two pages may ask at once: whoever moves the row has asked.
    rows = Narration.objects.filter(pk=found.pk, asked_at=found.asked_at)
    is_ours = rows.update(state=State.ASKED, asked_at=clock.now(), ended_at=None) == 1
    found.refresh_from_db()
    return found, is_ours


def asked(pk: int) -> Narration | None:
    """Return a row that still waits for its sentence. One query."""
    return Narration.objects.filter(pk=pk, state=State.ASKED).first()


def write(narration: Narration, load: Callable[[], Writer]) -> Narration:
    """Have the sentence written and checked; a failure of either kind is a state, not an error."""
    if is_paused():
        return _end(narration, State.FAILED, problem="the model has its pause")
    facts = Facts.from_dict(narration.facts)
    try:
        text = load().write(facts.task(), facts.data())
    except Exception as error:  # runtimes raise classes of their own; a page never needs this
        return _end(narration, State.FAILED, problem=f"{type(error).__name__}: {error}"[:500])
    try:
        return _end(narration, State.READY, text=checked(text, facts))
    except Refusal as refusal:
        return _end(narration, State.REFUSED, problem=f"{refusal}"[:500])


def is_paused() -> bool:
    """Tell whether the last three answers all failed, the newest of them a moment ago."""
    newest = list(
        Narration.objects.filter(ended_at__isnull=False, model=settings.NARRATOR)
        .order_by("-ended_at", "-pk")
        .values_list("state", "ended_at")[:MOST_FAILURES]
    )
    failed = [ended for state, ended in newest if state == State.FAILED and ended]
    return len(failed) == MOST_FAILURES and failed[0] > clock.now() - PAUSE


def forget_old(*, before: datetime) -> int:
    """Delete rows asked for before a moment; returns how many."""
    return Narration.objects.filter(asked_at__lt=before).delete()[0]


def facts_to_tell(why: ItemWhy) -> Facts | None:
    """Return the facts of an explanation where a model is set and they can be checked."""
    is_fit = settings.NARRATOR and why.facts is not None and why.facts.is_fit
    return why.facts if is_fit else None


def _is_due(found: Narration) -> bool:
    age = clock.now() - found.asked_at
    if found.state == State.ASKED:
        return age > LOST_AFTER
    return found.state == State.FAILED and age > RETRY_AFTER


def _made(facts: Facts) -> tuple[Narration, bool]:
    key = facts.key(settings.NARRATOR)
    row = Narration(key=key, facts=facts.as_dict(), model=settings.NARRATOR, asked_at=clock.now())
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:  # somebody else asked the same meanwhile
        return Narration.objects.get(key=key), False
    return row, True


def _end(narration: Narration, state: str, *, text: str = "", problem: str = "") -> Narration:
    narration.state, narration.text, narration.problem = state, text, problem
    narration.ended_at = clock.now()
    narration.save(update_fields=["state", "text", "problem", "ended_at"])
    if problem:
        log.warning("narration", state=state, problem=problem)
    return narration
