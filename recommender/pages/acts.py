"""What visitors do: rate, dismiss, take back, look. Plain forms; a script may swap fragments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from recommender.catalog.models import Item
from recommender.collect.services import EventResult, NewEvent
from recommender.errors import BadData
from recommender.pages import queries
from recommender.pages.cards import card_of, stars_label
from recommender.pages.forms import REASONS, DismissForm, RatingForm, UndoForm
from recommender.pages.swaps import Swap
from recommender.pages.views import RATINGS_WANTED
from recommender.pages.visits import Visit, on_site

MOST_TOKENS = 100


@require_POST
@on_site
def rate(visit: Visit) -> HttpResponse:
    """Store a rating."""
    form = _valid(RatingForm(visit.request.POST))
    item = _item(visit, form["item"])
    event = _event("rating", item, form["token"], visit)
    result = _store(visit, replace(event, value=form["value"]))
    text = _("Rated “%(title)s”: %(stars)s") % {
        "title": item.title,
        "stars": stars_label(form["value"]),
    }
    done = min(queries.rating_count(visit.user), RATINGS_WANTED)
    swaps = (
        Swap(
            f"rating-{item.pk}",
            "pages/_rating.html",
            {"card": card_of(visit, item), "token": form["token"]},
        ),
        Swap(
            "progress",
            "pages/_progress.html",
            {"progress": {"done": done, "wanted": RATINGS_WANTED}},
        ),
    )
    return _reply(visit, text, result, swaps)


@require_POST
@on_site
def dismiss(visit: Visit) -> HttpResponse:
    """Hide an item from now on; a second time with a reason replaces the first."""
    form = _valid(DismissForm(visit.request.POST))
    item = _item(visit, form["item"])
    event = replace(_event("dismiss", item, form["token"], visit), reason=form["reason"])
    first = [_undo(form["undoes"])] if form["undoes"] else []
    result = _store(visit, *first, event)
    text = _("“%(title)s” is hidden") % {"title": item.title}
    context = {
        "card": card_of(visit, item),
        "event_id": result.event_id,
        "token": form["token"],
        "reason": form["reason"],
        "reasons": REASONS,
    }
    swap = Swap(f"card-{item.pk}", "pages/_hidden_card.html", context)
    return _reply(visit, text, result, (swap,))


@require_POST
@on_site
def undo(visit: Visit) -> HttpResponse:
    """Take back events of one's own."""
    ids: list[UUID] = _valid(UndoForm(visit.request.POST))["event_id"]
    if visit.user is None:
        raise BadData(_("There is nothing of yours to take back in this browser."))
    _store(visit, *map(_undo, ids))
    gone = tuple(Swap(f"event-{event_id}", "pages/_nothing.html") for event_id in ids)
    return _reply(visit, _("Taken back"), None, gone)


@require_POST
@on_site
def signals(visit: Visit) -> HttpResponse:
    """Log cards that stood at least half in view for a second, by their tokens."""
    try:
        tokens = json.loads(visit.request.body)["tokens"]
    except (ValueError, KeyError, TypeError):
        raise BadData(_('Send {"tokens": ["…"]}.')) from None
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise BadData(_('Send {"tokens": ["…"]}.'))
    seen = [
        NewEvent(type="impression", token=token, session_id=visit.session_id)
        for token in tokens[:MOST_TOKENS]
    ]
    if seen:
        visit.look(*seen)
    return HttpResponse(status=204)


def _valid(form: Form) -> dict[str, Any]:
    """Return what a form says.

    Raises: BadData with the first thing that is wrong.
    """
    if form.is_valid():
        return form.cleaned_data
    name, errors = next(iter(form.errors.items()))
    raise BadData(f"{name}: {errors[0]}")


def _item(visit: Visit, external_id: str) -> Item:
    item = queries.find_item_by_reference(visit.catalog, external_id.replace("\0", ""))
    if item is None:
        raise BadData(_("There is no item %(id)r in this catalog.") % {"id": external_id[:50]})
    return item


def _event(type: str, item: Item, token: str, visit: Visit) -> NewEvent:
    return NewEvent(
        type=type,
        event_id=uuid4(),
        item=item.external_id,
        token=token or None,
        session_id=visit.session_id,
    )


def _undo(event_id: UUID) -> NewEvent:
    return NewEvent(type="undo", event_id=uuid4(), undoes=event_id)


def _store(visit: Visit, *events: NewEvent) -> EventResult:
    """Store events together and return what became of the last.

    A page that stood open too long still counts, as no list's doing.
    Raises: BadData when one is refused.
    """
    *others, last = visit.record(*events)
    if last.code == "expired_token":
        (last,) = visit.record(replace(events[-1], event_id=uuid4(), token=None))
    for result in (*others, last):
        if result.status == "rejected":
            raise BadData(result.detail or _("This was not accepted."))
    return last


def _reply(
    visit: Visit, text: str, result: EventResult | None, swaps: Sequence[Swap]
) -> HttpResponse:
    """Answer a form: fragments for the script, else a redirect back with the same words."""
    event_id = str(result.event_id) if result else ""
    if visit.wants_fragments:
        context = {"text": text, "undo": event_id, "swaps": swaps}
        return visit.render("pages/_answer.html", context)
    messages.success(visit.request, text, extra_tags=event_id)
    return HttpResponseRedirect(visit.next_address())
