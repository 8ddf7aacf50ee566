"""Pages that show something; what visitors do is in `acts`."""

from __future__ import annotations

import math
from typing import Any

from django.http import HttpResponse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from recommender.catalog.models import Item
from recommender.collect.services import NewEvent
from recommender.jobs import services as jobs
from recommender.pages import queries
from recommender.pages.cards import Card, Scale, card_of, cards_of, genre_label
from recommender.pages.visits import Visit, on_site
from recommender.serve import narration
from recommender.serve import services as serve
from recommender.serve.answers import ListAnswer
from recommender.serve.texts import row_title

RATINGS_WANTED = 3
PER_PAGE = 24
SIMILAR = 12
MOST_PARTS = 8  # of a score, shown one by one; the rest stand behind a fold, with their sum
# Rows that go on; a "because" row is as long as it is.
ENDLESS = ("for_you", "trending", "popular", "new", "exploring")
FROM_MODEL = ("for_you", "because", "exploring")
STRATEGIES = {
    "neural": gettext_lazy("Deep"),
    "item_item": gettext_lazy("Similar"),
    "mean": gettext_lazy("Public favorites"),
    "popular": gettext_lazy("Popular"),
    "cold_start": gettext_lazy("Popular and new"),
    "similar": gettext_lazy("Similar"),
    "search": gettext_lazy("Search"),
}


@require_GET
@on_site
def home(visit: Visit) -> HttpResponse:
    """Show the rows, or with `?fragment=rows` only them, for the script that refreshes them."""
    answer = serve.home(visit.list_request("home"))
    cards = cards_of(visit, (shown for row in answer.rows for shown in row.items))
    by_position = {card.shown.position: card for card in cards if card.shown}
    rows = [
        {
            "kind": row.kind,
            "title": row.title,
            "cards": [by_position[s.position] for s in row.items if s.position in by_position],
            "has_more": row.kind in ENDLESS,
            "is_from_model": row.kind in FROM_MODEL,
        }
        for row in answer.rows
    ]
    context = {
        "answer": answer,
        "strategy": STRATEGIES.get(answer.strategy, answer.strategy),
        "rows": rows,
        "progress": progress(answer.ratings_needed) if visit.is_personalized else None,
    }
    is_fragment = visit.request.GET.get("fragment") == "rows"
    return visit.render("pages/_rows.html" if is_fragment else "pages/home.html", context)


def progress(needed: int) -> dict[str, int] | None:
    """Say how many of the wanted ratings are there; None once there are enough."""
    if needed <= 0:
        return None
    wanted = max(RATINGS_WANTED, needed)
    return {"done": wanted - needed, "wanted": wanted}


@require_GET
@on_site
def item(visit: Visit, key: int, slug: str = "") -> HttpResponse:
    """Show one item; the token in the address logs the click that led here."""
    found = queries.find_item(visit.catalog, key)
    if found is None:
        return _no_item(visit, slug)
    _log_click(visit)
    card = _predicted(visit, found)
    near = serve.similar(
        visit.list_request("similar", context_item=found.external_id, limit=SIMILAR)
    )
    context = {
        "card": card,
        "token": visit.request.GET.get("t", ""),
        "histogram": _histogram(queries.rating_counts(found), card),
        "near": near,
        "near_cards": [each for each in cards_of(visit, near.items) if each.item.pk != found.pk],
        "dismissals": queries.dismissals(visit.user, found),
        "genres": [(name, genre_label(name)) for name in found.categories],
    }
    return visit.render("pages/item.html", context)


def _log_click(visit: Visit) -> None:
    token = visit.request.GET.get("t", "")
    # A browser that loads ahead of a press has clicked nothing.
    is_ahead = "prefetch" in visit.request.headers.get("Sec-Purpose", "")
    if token and not is_ahead:
        visit.look(NewEvent(type="click", token=token, session_id=visit.session_id))


def _predicted(visit: Visit, found: Item) -> Card:
    """Score the one item for this visitor without logging a list: nothing is recommended here."""
    request = visit.list_request("rank", limit=1, is_shadow=True)
    answer = serve.rank(request, [found.external_id])
    return card_of(visit, found, answer.items[0] if answer.items else None)


def _no_item(visit: Visit, slug: str) -> HttpResponse:
    words = slug.replace("-", " ").strip()
    near = serve.search(visit.list_request("search", limit=6), words) if words else None
    context = {
        "status": 404,
        "message": _("This item does not exist, or it is no longer offered."),
        "cards": cards_of(visit, near.items) if near else [],
    }
    return visit.render("pages/error.html", context, status=404)


def _histogram(counts: dict[float, int], card: Card) -> list[dict[str, Any]]:
    """Place one bar per step of the scale in a 240 × 72 drawing."""
    steps = card.steps
    highest = max(counts.values(), default=0)
    if not highest:
        return []
    width = 240 / len(steps)
    bars = []
    for index, step in enumerate(steps):
        count = counts.get(step.value, 0)
        height = round(54 * count / highest, 1)
        bars.append(
            {
                "x": round(index * width + 1, 1),
                "y": round(56 - height, 1),
                "width": round(width - 2, 1),
                "height": height,
                "middle": round((index + 0.5) * width, 1),
                "value": step.value,
                "label": step.label,
                "count": count,
                "is_mine": card.own == step.value,
            }
        )
    return bars


@require_GET
@on_site
def why(visit: Visit, token: str) -> HttpResponse:
    """Explain one shown item from the list that showed it."""
    found = serve.explain_token(token, visit.user)
    item_row = queries.items_by_key([found.item_id]).get(found.item_id)
    bars = _bars([(part.text, part.weight) for part in found.explanation.contributions])
    context = {
        "why": found,
        "strategy": STRATEGIES.get(found.strategy, found.strategy),
        "card": card_of(visit, item_row) if item_row else None,
        "parts": bars[:MOST_PARTS],
        "small_parts": bars[MOST_PARTS:],
        "small_total": math.fsum(bar["weight"] for bar in bars[MOST_PARTS:]),
        "total": found.explanation.bias + math.fsum(bar["weight"] for bar in bars),
        "may_be_told": narration.facts_to_tell(found) is not None,
        "narration": narration.find(found),
        "token": token,
        "components": _bars([(part.text, part.weight) for part in found.explanation.components]),
    }
    return visit.render("pages/why.html", context)


@require_GET
@on_site
def why_sentence(visit: Visit, token: str) -> HttpResponse:
    """Give the sentence that a language model wrote: 202 while it is written, 204 without one."""
    row, is_asked = narration.ask(serve.explain_token(token, visit.user))
    if is_asked and row is not None:
        jobs.enqueue("recommender.narrate", max_attempts=1, narration_id=row.pk)
    if row is None or row.state in (row.State.REFUSED, row.State.FAILED):
        return HttpResponse(status=204)
    status = 202 if row.state == row.State.ASKED else 200
    return visit.render("pages/_sentence.html", {"narration": row}, status=status)


def _bars(parts: list[tuple[str, float]]) -> list[dict[str, Any]]:
    """Order the parts of a score by size, each with its share of the largest."""
    parts.sort(key=lambda part: -abs(part[1]))
    largest = abs(parts[0][1]) if parts else 0.0
    return [
        {"text": text, "weight": weight, "share": 100 * abs(weight) / largest if largest else 0}
        for text, weight in parts
    ]


@require_GET
@on_site
def search(visit: Visit) -> HttpResponse:
    """Find items; without a query, only the field and the categories are shown."""
    query = " ".join(visit.request.GET.get("q", "").split())[:200].replace("\0", "")
    answer = serve.search(visit.list_request("search", limit=PER_PAGE), query) if query else None
    context = {
        "query": query,
        "answer": answer,
        "cards": cards_of(visit, answer.items) if answer else [],
        "categories": _categories(visit),
    }
    return visit.render("pages/search.html", context)


def _categories(visit: Visit) -> list[dict[str, Any]]:
    return [
        {"name": name, "label": genre_label(name), "count": count}
        for name, count in queries.categories(visit.catalog)[:60]
    ]


@require_GET
@on_site
def browse(visit: Visit) -> HttpResponse:
    """List the categories."""
    return visit.render("pages/browse.html", {"categories": _categories(visit)})


@require_GET
@on_site
def browse_category(visit: Visit, category: str) -> HttpResponse:
    """List one category's items, best for this visitor first."""
    request = visit.list_request(
        "browse", limit=PER_PAGE, cursor=_trail(visit)[-1], filters={"category": category}
    )
    title = genre_label(category)
    return _paged(visit, serve.recommend(request), title)


@require_GET
@on_site
def more(visit: Visit, row: str) -> HttpResponse:
    """Go on with one row of home, page by page."""
    request = visit.list_request("more", limit=PER_PAGE, cursor=_trail(visit)[-1])
    answer = serve.more(request, kind=row)
    return _paged(visit, answer, row_title(row, {}))


def _trail(visit: Visit) -> list[str | None]:
    """Return the cursors that led to this page; the first page has none."""
    given: list[str | None] = [each[:2000] for each in visit.request.GET.getlist("cursor")[-50:]]
    return [None, *given]


def _paged(visit: Visit, answer: ListAnswer, title: str) -> HttpResponse:
    trail = [cursor for cursor in _trail(visit) if cursor]
    path = visit.request.path
    onward = [*trail, answer.next_cursor] if answer.next_cursor else []
    context = {
        "title": title,
        "answer": answer,
        "cards": cards_of(visit, answer.items),
        "number": len(trail) + 1,
        "next_address": path + _query(onward) if onward else "",
        "previous_address": path + _query(trail[:-1]) if trail else "",
    }
    return visit.render("pages/list.html", context)


def _query(cursors: list[str]) -> str:
    return "?" + urlencode({"cursor": cursors}, doseq=True) if cursors else ""


@require_GET
@on_site
def history(visit: Visit) -> HttpResponse:
    """List what the visitor did; each entry can be taken back."""
    number = visit.request.GET.get("page", "1")
    page = None
    if visit.user:
        page = queries.history(visit.user, int(number) if number.isdecimal() else 1)
    scale = Scale.of(visit.catalog)
    entries = [
        {"event": event, "card": Card(event.item, scale, queries.Crowd(None, 0))}
        for event in page or []
        if event.item
    ]
    return visit.render("pages/history.html", {"page_of_events": page, "entries": entries})


@require_GET
@on_site
def hidden(visit: Visit) -> HttpResponse:
    """List what the visitor dismissed; each entry can be restored."""
    found = queries.hidden_items(visit.user) if visit.user else []
    scale = Scale.of(visit.catalog)
    entries = [
        {"hidden": each, "card": Card(each.item, scale, queries.Crowd(None, 0))} for each in found
    ]
    return visit.render("pages/hidden.html", {"entries": entries})


@require_GET
@on_site
def about_ranking(visit: Visit) -> HttpResponse:
    """Say how lists come about, from the pipeline as it runs now."""
    return visit.render("pages/about_ranking.html", {"stages": serve.pipeline(visit.catalog)})


@require_GET
@on_site
def welcome(visit: Visit) -> HttpResponse:
    """Ask a new visitor for a few ratings."""
    answer = serve.recommend(visit.list_request("welcome", limit=PER_PAGE))
    done = queries.rating_count(visit.user)
    context = {
        "answer": answer,
        "cards": cards_of(visit, answer.items),
        "progress": {"done": min(done, RATINGS_WANTED), "wanted": RATINGS_WANTED},
    }
    return visit.render("pages/welcome.html", context)
