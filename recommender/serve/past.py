"""Read a logged slate back as a list: to continue it, or to explain it."""

import zlib
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from recommender.collect.models import Slate
from recommender.errors import Missing
from recommender.serve import blend, registry
from recommender.serve.blend import Scores
from recommender.serve.candidates import Ranked
from recommender.serve.drawn import Drawn, replayed
from recommender.serve.evidence import Evidence
from recommender.serve.registry import Served


@dataclass(frozen=True)
class Past:
    """A logged slate, with the version and the evidence of then where both are still there."""

    slate: Slate
    ranked: Ranked
    evidence: Evidence | None

    @property
    def is_replayable(self) -> bool:
        """Tell whether scores of then can be computed again, or needed no person at all."""
        needs_model = self.slate.model_version_id is not None
        return not needs_model or self.ranked.served is not None


def open_slate(slate_id: UUID) -> Past:
    """Read one slate with its version and feature snapshot. One query.

    Raises: Missing when there is no such slate.
    """
    rows = Slate.objects.select_related("model_version", "feature_snapshot")
    slate = rows.filter(pk=slate_id).first()
    if slate is None:
        raise Missing(_("The list that this token or cursor belongs to is no longer kept."))
    served = registry.load_version(slate.model_version) if slate.model_version else None
    evidence = None
    if slate.feature_snapshot is not None:
        evidence = Evidence.decode(zlib.decompress(bytes(slate.feature_snapshot.blob)))
    return Past(slate, _ranked(slate, served, _scores(served, evidence)), evidence)


def _scores(served: Served | None, evidence: Evidence | None) -> Scores | None:
    if served is None or evidence is None:
        return None
    return blend.score(served, evidence)


def _ranked(slate: Slate, served: Served | None, scores: Scores | None) -> Ranked:
    made = replayed(slate) if slate.sampler == Slate.Sampler.MIX else None
    ids, levels, letters = _as_drawn(slate, made, scores) if made else _as_sorted(slate)
    return Ranked(
        ids=ids,
        scores=levels,
        sources=letters,
        strategy=slate.strategy,
        is_personalized=slate.feature_snapshot_id is not None,
        served=served,
        personal=scores,
        drawn=made,
    )


Listed = tuple[NDArray[np.int64], NDArray[np.float32], str]  # keys, scores, letters


def _as_sorted(slate: Slate) -> Listed:
    ids = np.frombuffer(bytes(slate.candidates), "<i4").astype(np.int64)
    letters = str(slate.retrieval_sources.get("by_candidate", ""))
    levels = np.frombuffer(bytes(slate.logits), "<f4")[: len(ids)]
    return ids, levels, letters if len(letters) == len(ids) else "m" * len(ids)


def _as_drawn(slate: Slate, made: Drawn, scores: Scores | None) -> Listed:
    """Return the list as drawn, then what stood in fixed slots; those keep their own source."""
    levels = made.mixture.logits[0][made.draw.order]  # the champion's, where nothing better is left
    if scores is not None:
        totals = scores.total[scores.served.model.item_numbers(made.ids)]
        levels = np.where(np.isfinite(totals), totals, levels)
    fixed = {int(entry[1]): str(entry[4]) for entry in slate.fixed}
    more = [pk for pk in fixed if pk not in made.ids]
    letters = [fixed.get(pk, own) for pk, own in zip(made.ids.tolist(), made.sources, strict=True)]
    return (
        np.concatenate([made.ids, np.array(more, np.int64)]),
        np.concatenate([levels, np.zeros(len(more))]).astype(np.float32),
        "".join([*letters, *(fixed[pk] for pk in more)]),
    )
