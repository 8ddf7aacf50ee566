"""Plain lists: recommend, its further pages, similar, rank."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from recommender.errors import BadData, Missing
from recommender.serve import cursors, past
from recommender.serve.answers import ListAnswer, ListRequest
from recommender.serve.candidates import (
    Ranked,
    diversified,
    fill,
    popular_items,
    ranked_for,
)
from recommender.serve.decisions import Decision, Slot, show
from recommender.serve.drawing import drawn
from recommender.serve.guesses import guesses
from recommender.serve.policy import POLICY
from recommender.serve.reasons import Reasoner, explained_ids, insight_into
from recommender.serve.scene import Scene, open_scene


@dataclass(frozen=True)
class Page:
    """Where in a list a page starts."""

    offset: int = 0
    position: int = 1
    number: int = 1


def recommend(request: ListRequest) -> ListAnswer:
    """Answer one personal list, or the page that the cursor names."""
    if request.cursor:
        return next_page(request)
    return personal_list(open_scene(request))


def personal_list(scene: Scene) -> ListAnswer:
    """Answer the head of the list for whoever asks, drawn where it may be."""
    need = min(scene.request.limit, POLICY.n_candidates)
    return first_page(scene, drawn(scene, ranked_for(scene, need), need))


def first_page(scene: Scene, ranked: Ranked, *, query: str = "") -> ListAnswer:
    """Log and return the head of a list."""
    ids = ranked.ids[: scene.request.limit]
    slots = slots_for(scene, ranked, ids, query=query)
    logged = show(Decision(scene=scene, ranked=ranked, slots=slots))
    return ListAnswer(
        slate_id=logged.slate_id,
        model_version=ranked.served.label if ranked.served else None,
        strategy=ranked.strategy,
        is_personalized=ranked.is_personalized,
        items=logged.items,
        next_cursor=_cursor(logged.slate_id, ranked, Page(len(ids), len(ids) + 1, 2), scene),
        is_degraded=logged.is_degraded,
    )


def next_page(request: ListRequest) -> ListAnswer:
    """Continue a logged list; what was hidden or seen since is left out, positions run on.

    Raises: BadData when the cursor is not ours, or belongs to another person or catalog.
    """
    place = cursors.read(request.cursor or "")
    scene = open_scene(request)
    if scene.is_cut_off:  # the slate cannot be read: better a list again than none
        return first_page(scene, ranked_for(scene, request.limit))
    before = past.open_slate(place.slate_id)
    owner = scene.person.user_id if scene.person else None
    slate = before.slate
    if slate.catalog_id != request.catalog.pk or slate.user_id != owner:
        raise BadData(_("cursor belongs to another person's list; start again without a cursor"))
    ranked = before.ranked
    open_at = np.flatnonzero(scene.keep_open(ranked.ids))
    chosen = open_at[open_at >= place.offset][: request.limit]
    slots = slots_for(scene, ranked, ranked.ids[chosen], first=place.position)
    logged = show(
        Decision(
            scene=scene,
            ranked=ranked,
            slots=slots,
            page=place.page,
            first_position=place.position,
            slate_id=place.slate_id,
        )
    )
    left = open_at[open_at >= place.offset][request.limit :]
    end = int(left[0]) if len(left) else len(ranked)
    following = Page(end, place.position + len(chosen), place.page + 1)
    version = slate.model_version
    return ListAnswer(
        slate_id=place.slate_id,
        model_version=version.label if version else None,
        strategy=slate.strategy,
        is_personalized=ranked.is_personalized,
        items=logged.items,
        next_cursor=_cursor(place.slate_id, ranked, following, scene),
        is_degraded=logged.is_degraded,
    )


def slots_for(
    scene: Scene, ranked: Ranked, ids: NDArray[np.int64], *, first: int = 1, query: str = ""
) -> list[Slot]:
    """Put items on consecutive places of one row, each with its reasons."""
    scores = ranked.personal or scene.scores
    explained = explained_ids(ranked, ids)
    insight = insight_into(scores if ranked.is_personalized else None, explained)
    reasoner = Reasoner(scene, ranked, insight, query=query)
    guessed = guesses(scores, ids)
    at = {int(pk): place for place, pk in enumerate(ranked.ids)}
    return [
        slot_for(
            reasoner,
            at[pk],
            Slot(pk, col=first + n, guess=guessed.get(pk), **chance_of(ranked, at[pk])),
            first + n,
        )
        for n, pk in enumerate(ids.tolist())
    ]


def chance_of(ranked: Ranked, at: int) -> dict[str, Any]:
    """Return how likely the item at place `at` was, as fields of its slot; certain if not drawn."""
    if ranked.drawn is None:
        return {}
    kind = "explore" if ranked.sources[at] == "e" else "exploit"
    return {
        "is_drawn": True,
        "p_cond": float(ranked.drawn.draw.p_cond[at]),
        "slot_kind": kind,
    }


def slot_for(reasoner: Reasoner, at: int, blank: Slot, position: int) -> Slot:
    """Fill a place with the candidate at `at`: its score, its reasons, its explanation."""
    score, source = float(reasoner.ranked.scores[at]), reasoner.ranked.sources[at]
    explanation = None
    if reasoner.scene.request.explain:
        explanation = reasoner.explanation(blank.pk, score, source, position)
    reasons = reasoner.reasons(blank.pk, score, source)
    return replace(blank, score=score, source=source, reasons=reasons, explanation=explanation)


def similar(request: ListRequest) -> ListAnswer:
    """Answer the items most like the context item; popular ones of its kind where unknown."""
    if request.cursor:
        return next_page(request)
    scene = open_scene(replace(request, surface="similar"))
    row = scene.table.row_by_external_id.get(request.context_item or "")
    if row is None:
        raise Missing(
            _("item %(id)r does not exist in this catalog") % {"id": request.context_item}
        )
    return first_page(scene, similar_to(scene, row))


def similar_to(scene: Scene, row: int) -> Ranked:
    """Return the items most like one row of the table, best first, the item itself left out."""
    me = int(scene.table.ids[row])
    found = fill(scene, _by_vectors(scene, me) or _by_category(scene, row), scene.request.limit + 1)
    keep = found.ids != me
    letters = "".join(letter for letter, kept in zip(found.sources, keep, strict=True) if kept)
    return replace(found, ids=found.ids[keep], scores=found.scores[keep], sources=letters)


def _by_vectors(scene: Scene, me: int) -> Ranked | None:
    served = scene.served
    number = served.model.item_number(me) if served else 0
    if served is None or number == 0:
        return None
    likeness = np.array(served.model.scorer.similar(number), np.float32)
    rows = served.rows(scene.table)
    likeness[(rows < 0) | ~scene.is_open[rows]] = -np.inf
    order = np.argsort(-likeness, kind="stable")[: POLICY.n_candidates]
    order = order[likeness[order] > 0]
    order = diversified(served, order, likeness[order])
    ids = np.asarray(served.model.item_ids)[order].astype(np.int64)
    return Ranked(ids, likeness[order], "s" * len(ids), "similar", served=served)


def _by_category(scene: Scene, row: int) -> Ranked:
    """Return popular items that share a category with the item."""
    mine = set(scene.table.records[row].categories)
    popular = popular_items(scene)
    rows = scene.table.rows(popular.ids)
    kin = np.array([bool(mine & set(scene.table.records[at].categories)) for at in rows], bool)
    count = int(kin.sum())
    return replace(
        popular,
        ids=popular.ids[kin],
        scores=popular.scores[kin],
        sources="p" * count,
        strategy="similar",
    )


def rank(request: ListRequest, items: Sequence[str]) -> ListAnswer:
    """Order the caller's items by our score; hidden, expired and dismissed ones are left out."""
    scene = open_scene(replace(request, surface="rank", limit=max(len(items), 1)))
    known = scene.table.row_by_external_id
    unknown = [item for item in dict.fromkeys(items) if item not in known]
    if unknown:
        listed = ", ".join(unknown[:20]) + (" …" if len(unknown) > 20 else "")
        raise BadData(
            _("items has %(n)s unknown ids: %(ids)s; put them first")
            % {"n": len(unknown), "ids": listed}
        )
    rows = np.array([known[item] for item in dict.fromkeys(items)], np.int64)
    ids = scene.table.ids[rows]
    dismissed = scene.person.hidden if scene.person else np.zeros(0, np.int64)
    ids = ids[scene.may_show[rows] & ~np.isin(ids, dismissed)] if len(rows) else ids
    return first_page(scene, ranked_request(scene, ids))


def ranked_request(scene: Scene, ids: NDArray[np.int64]) -> Ranked:
    """Score the caller's items; ones that the model does not know come last."""
    scores = scene.scores
    if scores is None or scene.served is None:
        popular = {int(pk): float(s) for pk, s in _shares(scene)}
        levels = np.array([popular.get(int(pk), 0.0) for pk in ids], np.float32)
        strategy = "popular" if scene.reading.is_off or scene.served is None else "cold_start"
        order = np.argsort(-levels, kind="stable")
        served = scene.served
        return Ranked(ids[order], levels[order], "r" * len(ids), strategy, served=served)
    levels = scores.total[scene.served.model.item_numbers(ids)]
    lowest = float(scores.total[1:].min())
    levels = np.where(np.isfinite(levels), levels, lowest - 1.0).astype(np.float32)
    order = np.argsort(-levels, kind="stable")
    return Ranked(
        ids=ids[order],
        scores=levels[order],
        sources="r" * len(ids),
        strategy=scene.served.strategy,
        is_personalized=scene.knows_people,
        served=scene.served,
        personal=scores,
    )


def _shares(scene: Scene) -> list[tuple[int, float]]:
    popular = popular_items(scene)
    return list(zip(popular.ids.tolist(), popular.scores.tolist(), strict=True))


def _cursor(slate_id: UUID, ranked: Ranked, page: Page, scene: Scene) -> str | None:
    if scene.request.is_shadow or scene.is_cut_off or page.offset >= len(ranked):
        return None
    return cursors.make(cursors.Place(slate_id, page.offset, page.position, page.number))
