"""Home: all rows as one slate, in a fixed order, no item twice. One statement reads it all."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from recommender.errors import Missing
from recommender.serve.answers import HomePage, HomeRow, ListAnswer, ListRequest, Reason, ShownItem
from recommender.serve.blend import Scores
from recommender.serve.candidates import (
    Ranked,
    cut,
    distinct,
    fill,
    fresh_items,
    popular_items,
    ranked_for,
    trending_items,
)
from recommender.serve.decisions import Decision, Slot, show
from recommender.serve.drawing import drawn
from recommender.serve.evidence import Fact
from recommender.serve.guesses import guesses
from recommender.serve.lists import chance_of, first_page, next_page, personal_list, slot_for
from recommender.serve.policy import POLICY
from recommender.serve.reasons import (
    Insight,
    Reasoner,
    carried_by,
    explained_ids,
    fact_reason,
    insight_into,
)
from recommender.serve.scene import Scene, open_scene

MOST_TRIED = 8  # newest likes looked at for a "because" row; each costs one scoring
KINDS = ("for_you", "trending", "popular", "new", "exploring")


@dataclass(frozen=True)
class Row:
    """One row before it is laid out: more candidates than places, best first."""

    kind: str
    title: Reason
    ranked: Ranked
    pool_size: int = 0  # exploring: how many it was drawn from; 0 = nothing was drawn


def home(request: ListRequest) -> HomePage:
    """Answer all rows of home and log them as one slate."""
    scene = open_scene(replace(request, surface="home"))
    base = drawn(scene, ranked_for(scene, POLICY.row_length), POLICY.row_length)
    full = list(_rows(scene, base))
    rows = list(_without_repeats(full))
    slots = _slots(scene, base, rows, _insight(scene, base, full))
    logged = show(Decision(scene=scene, ranked=_whole(base, slots), slots=slots, layout="rows"))
    return HomePage(
        slate_id=logged.slate_id,
        model_version=base.served.label if base.served else None,
        strategy=base.strategy,
        is_personalized=base.is_personalized,
        rows=tuple(_by_row(rows, logged.items)),
        ratings_needed=_ratings_needed(scene),
        is_degraded=logged.is_degraded,
    )


def more(request: ListRequest, *, kind: str) -> ListAnswer:
    """Answer one kind of row as a paged list."""
    if kind not in KINDS:
        raise Missing(
            _("row %(kind)r does not exist; the rows are: %(known)s")
            % {"kind": kind, "known": ", ".join(KINDS)}
        )
    if request.cursor:
        return next_page(request)
    scene = open_scene(replace(request, surface="more"))
    if kind == "for_you":
        return personal_list(scene)
    if kind == "exploring":
        return first_page(scene, cut(_drawn(scene, _explorable(scene))))
    if kind == "new":
        found = fresh_items(scene, POLICY.n_candidates)
    else:
        found = trending_items(scene) if kind == "trending" else popular_items(scene)
    return first_page(scene, replace(cut(found), strategy="popular"))


def _rows(scene: Scene, base: Ranked) -> Iterator[Row]:
    if base.is_personalized:
        yield Row("for_you", Reason("profile"), base)
        yield from _because(scene, base)
    else:
        popular = fill(scene, popular_items(scene), POLICY.row_length)
        yield Row("popular", Reason("popular"), popular)
    yield Row("trending", Reason("popular"), trending_items(scene))
    yield Row("new", Reason("fresh"), fresh_items(scene, POLICY.n_candidates))
    if not scene.reading.is_off and scene.person is not None:
        yield Row("exploring", Reason("exploring"), _drawn(scene, _explorable(scene)))


def _because(scene: Scene, base: Ranked) -> Iterator[Row]:
    """Yield what the newest liked item carries among its neighbors, where that is enough.

    Likeness alone is no cause: an item stays only if it would lose its share of the score without
    that very event, so the heading is true of every item below it.
    """
    scores = base.personal or scene.scores
    if scores is None:
        return
    liked_from = scene.request.catalog.liked_from
    facts, served = scores.known.facts, scores.served
    liked = [
        at
        for at, fact in enumerate(facts)
        if _is_liked(fact, liked_from) and scene.table.by_id(fact.item_id) is not None
    ]
    for at in reversed(liked[-MOST_TRIED:]):
        likeness = _open_likeness(scene, base, scores, at)
        near = np.flatnonzero((likeness > 0) & carried_by(scores, at))
        near = near[np.argsort(-likeness[near], kind="stable")][: POLICY.row_length]
        if len(near) < POLICY.row_length // 3:
            continue
        ids = np.asarray(served.model.item_ids)[near].astype(np.int64)
        ranked = replace(
            base, ids=ids, scores=scores.total[near], sources="m" * len(near), drawn=None
        )
        title = fact_reason(scene.table, facts[at], 0.0)
        yield Row("because", title, replace(ranked, personal=scores))
        return


def _open_likeness(scene: Scene, base: Ranked, scores: Scores, at: int) -> NDArray[np.float32]:
    """Return (M+1,) likeness to the item of event `at`; −inf for what may not stand in the row."""
    served = scores.served
    number = int(scores.known.history.items[at])
    likeness = np.array(served.model.scorer.similar(number), np.float32)
    rows = served.rows(scene.table)
    likeness[(rows < 0) | ~scene.is_open[rows]] = -np.inf
    # What stands in the row above, as far as another draw would put it there too.
    above = served.model.item_numbers((base.undrawn or base).ids[: POLICY.row_length])
    likeness[above] = -np.inf
    return likeness


def _is_liked(fact: Fact, liked_from: float) -> bool:
    if fact.value is not None:
        return fact.value >= liked_from
    return fact.type not in ("click", "dwell")  # a look is not a like


def _explorable(scene: Scene) -> NDArray[np.int64]:
    """Return the keys of open items that few people have seen, in the order of keys."""
    rows = np.flatnonzero(scene.is_open)
    ids = scene.table.ids[rows]
    if scene.served is None:
        return ids
    numbers = scene.served.model.item_numbers(ids)
    levels = np.where(numbers > 0, np.asarray(scene.served.model.popularity)[numbers], 0.0)
    return ids[levels <= scene.served.explore_below]


def _drawn(scene: Scene, pool: NDArray[np.int64]) -> Ranked:
    """Draw from the pool without replacement, the same for one person all day."""
    who = scene.person.user_id if scene.person else 0
    word = f"{scene.request.catalog.pk}:{who}:{scene.now.date().isoformat()}"
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    order = np.random.default_rng(seed).permutation(len(pool))
    count = len(pool)
    return Ranked(pool[order], np.zeros(count, np.float32), "e" * count, "exploring")


def _without_repeats(rows: list[Row]) -> Iterator[Row]:
    """Cut each row to its places, leaving out what stands above; empty rows go."""
    shown = np.zeros(0, np.int64)
    for row in rows:
        left = np.flatnonzero(~np.isin(row.ranked.ids, shown))
        keep = left[: POLICY.row_length]
        if not len(keep):
            continue
        ranked = replace(
            row.ranked,
            ids=row.ranked.ids[keep],
            scores=row.ranked.scores[keep],
            sources="".join(row.ranked.sources[at] for at in keep),
        )
        shown = np.concatenate([shown, ranked.ids])
        # Drawing from a shuffled pool and passing over what stands above is a draw from the rest.
        yield replace(row, ranked=ranked, pool_size=len(left) if row.kind == "exploring" else 0)


def _insight(scene: Scene, base: Ranked, rows: list[Row]) -> Insight | None:
    """Look into all personal rows in one batch, before any is cut: the same at the next draw."""
    own = [
        explained_ids(row.ranked, row.ranked.ids[: POLICY.row_length])
        for row in rows
        if row.ranked.is_personalized
    ]
    return insight_into(base.personal or scene.scores, np.concatenate(own)) if own else None


def _slots(scene: Scene, base: Ranked, rows: list[Row], insight: Insight | None) -> list[Slot]:
    """Lay the rows out."""
    scores = base.personal or scene.scores
    ids = [row.ranked.ids for row in rows]
    guessed = guesses(scores, np.concatenate(ids)) if ids else {}
    slots: list[Slot] = []
    for number, row in enumerate(rows, start=1):
        reasoner = Reasoner(scene, row.ranked, insight)
        for at, pk in enumerate(row.ranked.ids.tolist()):
            blank = Slot(
                pk=pk,
                row=number,
                col=at + 1,
                row_kind=row.kind,
                guess=guessed.get(pk),
                **_chance(row, at),
            )
            slots.append(slot_for(reasoner, at, blank, len(slots) + 1))
    return slots


def _chance(row: Row, at: int) -> dict[str, Any]:
    """Return how likely the item was at its place of the row, as fields of its slot."""
    if row.pool_size > 0:
        return {"slot_kind": "explore", "p_cond": 1.0 / (row.pool_size - at)}
    return chance_of(row.ranked, at)


def _whole(base: Ranked, slots: list[Slot]) -> Ranked:
    """Return all candidates in final order: what is shown first, then the rest of the base list."""
    shown = replace(
        base,
        ids=np.array([slot.pk for slot in slots], np.int64),
        scores=np.array([slot.score for slot in slots], np.float32),
        sources="".join(slot.source for slot in slots),
    )
    return distinct([shown, base])


def _by_row(rows: list[Row], items: tuple[ShownItem, ...]) -> Iterator[HomeRow]:
    start = 0
    for row in rows:
        stop = start + len(row.ranked)
        yield HomeRow(kind=row.kind, title_reason=row.title, items=items[start:stop])
        start = stop


def _ratings_needed(scene: Scene) -> int:
    person = scene.person
    if scene.reading.is_off:
        return 0
    if person is None:
        return POLICY.personal_from
    if person.positive_count >= POLICY.personal_from:
        return 0
    return max(0, POLICY.personal_from - person.rating_count)
