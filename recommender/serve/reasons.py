"""Say why an item is here: by leaving out one event at a time, else by the truth of its source."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recommender.ml.explain import causes, composition, drop_without, leave_one_out
from recommender.serve.answers import Component, Contribution, Explanation, PathStep, Reason
from recommender.serve.blend import Scores
from recommender.serve.candidates import SOURCES, Ranked
from recommender.serve.evidence import Fact
from recommender.serve.items import ItemTable
from recommender.serve.kept import Kept
from recommender.serve.policy import POLICY
from recommender.serve.scene import Scene

MOST_REASONS = 3
ROUNDING = 1e-5  # single precision, added up
_BY_SOURCE = {
    "p": "popular",
    "f": "fresh",
    "t": "popular",
    "e": "exploring",
    "s": "similar",
    "q": "search",
    "a": "fresh",
}


@dataclass(frozen=True)
class Insight:
    """What each event of the person adds to the scores of some items, in units of the total."""

    scores: Scores
    place: dict[int, int]  # item key → column
    numbers: NDArray[np.int64]  # (k,)
    weights: NDArray[np.float64]  # (n, k)

    @cached_property
    def composition(self) -> dict[str, NDArray[np.float64]]:
        """Return what the model's own score is made of, name → (k,), in units of the total."""
        history, scorer = self.scores.known.history, self.scores.served.model.scorer
        made = composition(scorer, history, self.numbers)
        unit = self.scores.per_unit
        return {name: np.asarray(part * unit, np.float64) for name, part in made.items()}


_insights: Kept[Insight] = Kept(64)


def forget() -> None:
    """Drop what this process remembers."""
    _insights.forget()


def insight_into(scores: Scores | None, ids: NDArray[np.int64]) -> Insight | None:
    """Leave out each event in turn, for all items in one batch; remembered per evidence."""
    if scores is None or not len(ids):
        return None
    key = (scores.served.key, scores.evidence_key, ids.tobytes())
    return _insights.get(key, lambda: _look(scores, ids))


def explained_ids(ranked: Ranked, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the items to look into for a list that shows `ids`.

    Of a drawn list all that the model put up: the next draw shows others of them, and looking
    costs the same for one item as for all, so that it is done once for a person's evidence.
    """
    if ranked.drawn is None:
        return ids
    is_models = np.array([letter == "m" for letter in ranked.drawn.letters])
    return np.sort(ranked.drawn.pool[is_models])


def _look(scores: Scores, ids: NDArray[np.int64]) -> Insight:
    model = scores.served.model
    ids = ids[model.item_numbers(ids) > 0]
    numbers = np.asarray(model.item_numbers(ids), np.int64)
    drops = leave_one_out(model.scorer, scores.known.history, numbers)  # (n, k)
    return Insight(
        scores=scores,
        place={int(pk): column for column, pk in enumerate(ids)},
        numbers=numbers,
        weights=np.asarray(drops, np.float64) * scores.per_unit,
    )


def carried_by(scores: Scores, event: int) -> NDArray[np.bool_]:
    """Return (M+1,) which items would lose a reason's share of their score without the event."""
    history, scorer = scores.known.history, scores.served.model.scorer
    numbers = np.arange(1, scorer.n_items + 1)
    drops = np.zeros(scorer.n_items + 1)
    drops[1:] = drop_without(scorer, history, event, numbers) * scores.per_unit
    needed = np.maximum(POLICY.reason_share * np.abs(scores.total), 1e-9)
    return np.asarray(drops >= needed)


class Reasoner:
    """Give reasons and explanations for the items of one list."""

    def __init__(
        self, scene: Scene, ranked: Ranked, insight: Insight | None, *, query: str = ""
    ) -> None:
        """Take the list, and what is known of the scores of its shown items."""
        self.scene = scene
        self.table = scene.table
        self.ranked = ranked
        self.insight = insight if ranked.is_personalized else None
        self.query = query
        by_score = np.argsort(-ranked.scores, kind="stable")
        self._rank_by_score = {int(ranked.ids[at]): n for n, at in enumerate(by_score, start=1)}
        self._rank = {int(pk): n for n, pk in enumerate(ranked.ids, start=1)}

    def reasons(self, pk: int, score: float, source: str) -> tuple[Reason, ...]:
        """Return the top reasons of one item, never empty: the source is always true."""
        if source in _BY_SOURCE or self.insight is None or pk not in self.insight.place:
            return (self._by_source(source),)
        column = self.insight.weights[:, self.insight.place[pk]]
        facts = self.insight.scores.known.facts
        found = causes(column, score, POLICY.reason_share, 2 * MOST_REASONS)
        cited = [
            fact_reason(self.table, facts[at], float(column[at]))
            for at in found.tolist()
            if self._is_liked(facts[at])
        ]
        return tuple(cited[:MOST_REASONS]) or (self._whole(pk),)

    def explanation(self, pk: int, score: float, source: str, position: int) -> Explanation:
        """Split one item's score into parts that add up, with its path through the pipeline."""
        path = (
            PathStep("source", params={"source": SOURCES[source]}),
            PathStep("scored", self._rank_by_score.get(pk), score),
            PathStep("reranked", self._rank.get(pk)),
            PathStep("shown", position),
        )
        if source in _BY_SOURCE or self.insight is None or pk not in self.insight.place:
            whole = self._by_source(source)
            part = Contribution(whole.kind, whole.params, whole.ref, score)
            return Explanation(0.0, (part,), path)
        bias, parts = self._parts(self.insight, pk, score)
        return Explanation(bias, parts, path, self._components(self.insight, pk, score))

    def _parts(
        self, insight: Insight, pk: int, score: float
    ) -> tuple[float, tuple[Contribution, ...]]:
        at = insight.place[pk]
        scores = insight.scores
        popularity = scores.blend * float(scores.served.popularity_z[insight.numbers[at]])
        bias = float(insight.composition["bias"][at])
        parts = [Contribution("popularity", {}, None, popularity)]
        for fact, weight in zip(scores.known.facts, insight.weights[:, at], strict=True):
            if abs(weight) > 1e-9:
                reason = fact_reason(self.table, fact, float(weight))
                parts.append(Contribution(reason.kind, reason.params, reason.ref, reason.weight))
        rest = score - bias - sum(part.weight for part in parts)
        if abs(rest) > 1e-9:
            parts.append(Contribution("history", {}, None, rest))
        parts.sort(key=lambda part: -abs(part.weight))
        return bias, tuple(parts)

    def _components(self, insight: Insight, pk: int, score: float) -> tuple[Component, ...]:
        """Split the score by what the model knows; the same total as `_parts`, cut another way."""
        at, scores = insight.place[pk], insight.scores
        prior = scores.blend * float(scores.served.popularity_z[insight.numbers[at]])
        parts = {name: float(part[at]) for name, part in insight.composition.items()}
        parts["prior"] = prior
        rest = score - sum(parts.values())
        if abs(rest) > ROUNDING:  # a list kept from before: other facts about the person then
            parts["rest"] = rest
        made = (Component(name, weight) for name, weight in parts.items())
        return tuple(sorted(made, key=lambda part: -abs(part.weight)))

    def _whole(self, pk: int) -> Reason:
        """Say what carries a score that no single event carries."""
        assert self.insight is not None  # noqa: S101 - callers looked
        scores = self.insight.scores
        number = self.insight.numbers[self.insight.place[pk]]
        by_popularity = scores.blend * float(scores.served.popularity_z[number])
        by_model = (1.0 - scores.blend) * float(scores.model_z[number])
        if by_popularity > by_model:
            return Reason("popular", weight=by_popularity)
        return Reason("profile", weight=by_model)

    def _by_source(self, source: str) -> Reason:
        kind = _BY_SOURCE.get(source, "profile")
        if source == "r":  # the caller's own item, which no model scored for this person
            kind = "fresh" if self.insight else "popular"
        if kind == "similar":
            return similar_reason(self.scene)
        if kind == "search":
            return Reason("search", {"query": self.query})
        return Reason(kind)

    def _is_liked(self, fact: Fact) -> bool:
        return fact.value is None or fact.value >= self.scene.request.catalog.liked_from


def fact_reason(table: ItemTable, fact: Fact, weight: float) -> Reason:
    """Name one event of the person's as a cause."""
    record = table.by_id(fact.item_id)
    title = record.title if record else ""
    ref = f"item:{record.external_id}" if record else None
    if fact.value is not None:
        return Reason("rated_item", {"title": title, "stars": fact.value}, ref, weight)
    return Reason("liked_item", {"title": title, "type": fact.type}, ref, weight)


def similar_reason(scene: Scene) -> Reason:
    """Name the item that a similar list is about."""
    outside = scene.request.context_item or ""
    row = scene.table.row_by_external_id.get(outside)
    title = scene.table.records[row].title if row is not None else outside
    return Reason("similar", {"title": title}, f"item:{outside}")
