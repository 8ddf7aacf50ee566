"""Show an operator what a user would see under one or two versions, and why not something else."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.models import Catalog
from recommender.collect.models import User
from recommender.promote.models import ModelVersion
from recommender.serve import registry
from recommender.serve.answers import (
    HistoryLine,
    ListRequest,
    Trace,
    TracedItem,
    TracedList,
    WhyNot,
)
from recommender.serve.candidates import Ranked, computed
from recommender.serve.policy import POLICY
from recommender.serve.scene import Scene, open_scene

LENGTH = 20


@dataclass(frozen=True)
class View:
    """One version's answer for the user, before it is cut to a page."""

    scene: Scene
    ranked: Ranked
    version: ModelVersion | None


def trace(
    *,
    catalog: Catalog,
    user: User | None,
    version: ModelVersion | None = None,
    other: ModelVersion | None = None,
    item: str | None = None,
) -> Trace:
    """Show lists, history and why not; logs nothing and changes nothing."""
    scene = open_scene(ListRequest(catalog=catalog, user=user, limit=LENGTH, is_shadow=True))
    first = _view(scene, version)
    lists = [_listed(first, None)]
    if other is not None:
        lists.append(_listed(_view(scene, other), first.ranked.ids[:LENGTH]))
    return Trace(
        user=user.external_id if user else None,
        history=tuple(_history(scene)),
        lists=tuple(lists),
        why_not=why_not(first, item) if item else None,
    )


def _view(scene: Scene, version: ModelVersion | None) -> View:
    if version is not None:
        served = registry.load_version(version)
        scene = replace(scene, served=served, is_stand_in=served is None)
    return View(scene, computed(scene, LENGTH), version)


def _listed(view: View, before: NDArray[np.int64] | None) -> TracedList:
    ranked, served, version = view.ranked, view.scene.served, view.version
    by_score = np.argsort(-ranked.scores, kind="stable")
    rank_before = {int(at): rank for rank, at in enumerate(by_score, start=1)}
    earlier = {} if before is None else {int(pk): n for n, pk in enumerate(before, start=1)}
    items = []
    for at, pk in enumerate(ranked.ids[:LENGTH].tolist()):
        record = view.scene.table.by_id(pk)
        items.append(
            TracedItem(
                rank=at + 1,
                item_id=pk,
                external_id=record.external_id if record else "",
                title=record.title if record else "",
                score=float(ranked.scores[at]),
                rank_before=rank_before[at],
                moved=earlier[pk] - (at + 1) if pk in earlier else None,
            )
        )
    error = ""
    if version is not None and served is None:
        error = registry.reason_of_failure(registry.key_of(version)) or "not loaded"
    return TracedList(
        version=version.label if version else (served.label if served else None),
        version_id=version.pk if version else (served.key.pk if served else None),
        strategy=ranked.strategy,
        items=tuple(items),
        error=error,
    )


def _history(scene: Scene) -> Iterator[HistoryLine]:
    """Yield what the scorer weighs, newest first."""
    if scene.evidence is None:
        return
    for fact in reversed(scene.evidence.facts):
        record = scene.table.by_id(fact.item_id)
        yield HistoryLine(
            item_id=fact.item_id,
            external_id=record.external_id if record else "",
            title=record.title if record else "",
            type=fact.type,
            value=fact.value,
            weight=fact.weight,
            at=datetime.fromtimestamp(fact.time_s, UTC),
        )


def why_not(view: View, item: str) -> WhyNot:
    """Return the first stage that dropped an item, in the order in which the stages run."""
    scene = view.scene
    row = scene.table.row_by_external_id.get(item)
    if row is None:
        return WhyNot(item, "", "unknown_item", False, None, None, None)
    record = scene.table.records[row]
    verdict = WhyNot(item, record.title, "shown", True, None, None, None)
    rule = _rule_against(scene, row)
    if rule:
        return replace(verdict, stage=rule, is_shown=False)
    return _placed(view, record.pk, verdict)


def _rule_against(scene: Scene, row: int) -> str:
    record, person = scene.table.records[row], scene.person
    if record.is_hidden:
        return "hidden_item"
    if record.expires_s <= scene.now.timestamp():
        return "expired"
    if person is not None and record.pk in person.hidden:
        return "dismissed"
    if person is not None and record.pk in person.seen:
        return "seen"
    return ""


def _placed(view: View, pk: int, verdict: WhyNot) -> WhyNot:
    """Tell how far an item came that no rule dropped."""
    ranked = view.ranked
    rank, score = _rank_by_score(view, pk)
    verdict = replace(verdict, rank=rank, score=score)
    at = np.flatnonzero(ranked.ids == pk)
    place = int(at[0]) + 1 if len(at) else None
    if place is not None and place <= LENGTH:
        return replace(verdict, rank=place, params={"rank_before": rank})
    if rank is None:
        return replace(verdict, stage="unknown_to_model", is_shown=False)
    if place is None and rank > POLICY.n_candidates:
        cut, stage = POLICY.n_candidates, "candidates"
    else:
        cut, stage = LENGTH, "reranked" if rank <= LENGTH else "beyond"
    return replace(verdict, stage=stage, is_shown=False, cut=cut, params={"place": place})


def _rank_by_score(view: View, pk: int) -> tuple[int | None, float | None]:
    """Return the item's rank among everything open to the person, and its score."""
    scores, scene = view.scene.scores, view.scene
    if scores is None:
        at = np.flatnonzero(view.ranked.ids == pk)
        if not len(at):
            return POLICY.n_candidates + 1, None
        return int(at[0]) + 1, float(view.ranked.scores[at[0]])
    number = scores.served.model.item_number(pk)
    if number == 0:
        return None, None
    rows = scores.served.rows(scene.table)
    is_open = (rows >= 0) & scene.is_open[rows]
    better = int((scores.total[is_open] > scores.total[number]).sum())
    return better + 1, float(scores.total[number])
