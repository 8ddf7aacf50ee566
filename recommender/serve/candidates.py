"""Candidates in final order: the person's best, or the fallback chain popular → new → any."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recommender.ml.rerank import mmr
from recommender.ml.topk import mask_seen, top_k
from recommender.serve import popular
from recommender.serve.blend import Scores
from recommender.serve.drawn import Drawn
from recommender.serve.policy import POLICY
from recommender.serve.registry import Served
from recommender.serve.scene import Scene

# One letter per candidate in the log: where it came from.
SOURCES = {
    "m": "model",
    "p": "popular",
    "f": "fresh",
    "t": "trending",
    "e": "exploring",
    "s": "similar",
    "q": "search",
    "r": "request",
    "a": "any",
}
FRESH_HALF_LIFE_S = 365 * 86_400.0


@dataclass(frozen=True)
class Ranked:
    """A whole list: `ids` in the order in which they will be shown, page after page."""

    ids: NDArray[np.int64]  # (C,) item keys
    scores: NDArray[np.float32]  # (C,) the scorer's values, before re-rank
    sources: str  # (C,) letters of SOURCES
    strategy: str
    is_personalized: bool = False
    served: Served | None = None  # the version whose numbers `scores` are; None = no model's
    personal: Scores | None = field(default=None, repr=False)
    to_store: bool = False  # worth writing to the person's row
    drawn: Drawn | None = field(default=None, repr=False)  # how; None: best first
    undrawn: "Ranked | None" = field(default=None, repr=False)  # of a drawn list: best first

    def __len__(self) -> int:
        """Count the candidates."""
        return len(self.ids)


def nothing(strategy: str) -> Ranked:
    """Return a list without items."""
    return Ranked(np.zeros(0, np.int64), np.zeros(0, np.float32), "", strategy)


def ranked_for(scene: Scene, need: int) -> Ranked:
    """Return the list for whoever asks, at least `need` long while there are items to show."""
    found = stored(scene, need)
    return fill(scene, found, need) if found else computed(scene, need)


def computed(scene: Scene, need: int) -> Ranked:
    """Return the list as the scene's version gives it now, whatever is stored."""
    found = personal(scene)
    if found is None and scene.has_failed:
        found = stored(scene, need, is_stale=True)
    if found is None:
        found = replace(without_model(scene), strategy=strategy_without_model(scene))
    return fill(scene, found, need)


def strategy_without_model(scene: Scene) -> str:
    """Name a list that no profile shaped: popular where one was not wanted or could not be used."""
    if scene.reading.is_off or scene.is_cut_off:
        return "popular"
    has_no_use = not scene.knows_people or scene.has_failed
    return "popular" if scene.evidence is not None and has_no_use else "cold_start"


def stored(scene: Scene, need: int, *, is_stale: bool = False) -> Ranked | None:
    """Return the list in the person's row, less what may not be shown; None when out of date.

    `is_stale`: take it although the person acted since; a failing scorer leaves nothing better.
    """
    person, served = scene.person, scene.served
    if person is None or served is None or scene.request.filters or not person.list_items:
        return None
    is_current = person.list_seq == person.event_seq and person.list_version == served.key.pk
    if not is_current and not is_stale:
        return None
    ids = np.frombuffer(person.list_items, "<i4").astype(np.int64)
    keep = scene.keep_open(ids)
    # A list shorter than asked for once held everything there was; more is not to be had.
    is_enough = keep.sum() >= need or len(ids) < POLICY.n_candidates or is_stale
    if not keep.any() or not is_enough:
        return None
    return Ranked(
        ids=ids[keep],
        scores=np.frombuffer(person.list_scores, "<f4")[keep],
        sources="m" * int(keep.sum()),
        strategy=served.strategy,
        is_personalized=True,
        served=served,
    )


def personal(scene: Scene) -> Ranked | None:
    """Compute the person's list from the history in the row; None without model or history."""
    scores, served = scene.scores, scene.served
    if scores is None or served is None or not scene.knows_people:
        return None
    best = best_numbers(scene, scores, POLICY.n_candidates)
    order = diversified(served, best, scores.total[best])
    return Ranked(
        ids=np.asarray(served.model.item_ids)[order].astype(np.int64),
        scores=scores.total[order],
        sources="m" * len(order),
        strategy=served.strategy,
        is_personalized=True,
        served=served,
        personal=scores,
        to_store=not scene.request.filters and not scene.is_stand_in,
    )


def best_numbers(scene: Scene, scores: Scores, k: int) -> NDArray[np.int64]:
    """Return the k best item numbers that this person may be shown, best first."""
    served = scores.served
    rows = served.rows(scene.table)
    # The mask that evaluation uses too; then what only serving knows: visibility and filters.
    seen = served.model.item_numbers(scene.excluded_ids)
    masked = mask_seen(scores.total, seen)
    if len(scene.table):
        masked[(rows < 0) | ~scene.may_show[rows]] = -np.inf
    best = top_k(masked, k)
    return np.asarray(best[best > 0], np.int64)


def diversified(
    served: Served, numbers: NDArray[np.int64], scores: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Reorder item numbers by MMR over the version's own item vectors."""
    if len(numbers) < 3:
        return numbers
    order = mmr(numbers, scores, served.model.scorer.vectors, len(numbers), POLICY.mmr_trade_off)
    return np.asarray(order, np.int64)


def without_model(scene: Scene) -> Ranked:
    """Return popular items, mixed with fresh ones for somebody new."""
    hits = cut(popular_items(scene))
    if scene.reading.is_off:
        return hits
    step, parts = POLICY.popular_per_fresh, [part(hits, 0, 0)]
    new = fresh_items(scene, POLICY.n_candidates)
    for start in range(0, max(len(hits), step * len(new)), step):
        parts += [part(hits, start, start + step), part(new, start // step, start // step + 1)]
    return cut(distinct(parts))


def popular_items(scene: Scene) -> Ranked:
    """Return what is popular and open to this person, by the model's count or by our own."""
    if scene.served is None:
        counted = popular.long_run(scene.request.catalog, scene.now)
        return _listed(scene, counted.ids, counted.shares, "p")
    numbers = scene.served.popular_numbers
    levels = np.asarray(scene.served.model.popularity)[numbers]
    numbers, levels = numbers[levels > 0], levels[levels > 0]
    ids = np.asarray(scene.served.model.item_ids)[numbers].astype(np.int64)
    shares = levels / (levels[0] if len(levels) else 1.0)
    return _listed(scene, ids, shares.astype(np.float32), "p")


def trending_items(scene: Scene) -> Ranked:
    """Return what people took up in the last days and is open to this person."""
    counted = popular.trending(scene.request.catalog, scene.now)
    return _listed(scene, counted.ids, counted.shares, "t")


def fresh_items(scene: Scene, k: int) -> Ranked:
    """Return the k newest items that are out and open to this person."""
    rows = scene.table.newest
    age_s = scene.now.timestamp() - scene.table.published_s[rows]
    keep = scene.is_open[rows] & (age_s >= 0)
    rows, age_s = rows[keep][:k], age_s[keep][:k]
    recency = np.exp2(-age_s / FRESH_HALF_LIFE_S).astype(np.float32)
    return Ranked(scene.table.ids[rows], recency, "f" * len(rows), "new")


def any_items(scene: Scene) -> Ranked:
    """Return whatever is open to this person, newest first, not yet published ones included."""
    rows = scene.table.newest[scene.is_open[scene.table.newest]]
    rows = rows[: POLICY.n_candidates]
    return Ranked(scene.table.ids[rows], np.zeros(len(rows), np.float32), "a" * len(rows), "any")


def fill(scene: Scene, found: Ranked, need: int) -> Ranked:
    """Lengthen a list from popular, then new, then any items until it holds `need`."""
    for more in (popular_items, lambda s: fresh_items(s, POLICY.n_candidates), any_items):
        if len(found) >= need:
            break
        joined = distinct([found, part(more(scene), 0, 2 * POLICY.n_candidates)])
        found = replace(found, ids=joined.ids, scores=joined.scores, sources=joined.sources)
    return cut(found)


def distinct(parts: Sequence[Ranked]) -> Ranked:
    """Join lists, keeping the first of each item; the first part's labels stay."""
    ids = np.concatenate([each.ids for each in parts])
    scores = np.concatenate([each.scores for each in parts])
    letters = "".join(each.sources for each in parts)
    _, first = np.unique(ids, return_index=True)
    first.sort()
    kept = "".join(letters[place] for place in first)
    return replace(parts[0], ids=ids[first], scores=scores[first], sources=kept)


def part(ranked: Ranked, start: int, stop: int) -> Ranked:
    """Return a slice of a list."""
    return replace(
        ranked,
        ids=ranked.ids[start:stop],
        scores=ranked.scores[start:stop],
        sources=ranked.sources[start:stop],
    )


def cut(ranked: Ranked) -> Ranked:
    """Keep as many as one slate logs."""
    return part(ranked, 0, POLICY.n_candidates)


def _listed(
    scene: Scene, ids: NDArray[np.int64], shares: NDArray[np.float32], letter: str
) -> Ranked:
    keep = scene.keep_open(ids)
    kept = int(keep.sum())
    return Ranked(ids[keep], shares[keep], letter * kept, SOURCES[letter], served=scene.served)
