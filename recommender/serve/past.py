"""Read a logged slate back as a list: to continue it, or to explain it."""

import zlib
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.utils.translation import gettext as _

from recommender.collect.models import Slate
from recommender.errors import Missing
from recommender.serve import blend, registry
from recommender.serve.blend import Scores
from recommender.serve.candidates import Ranked
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
    ids = np.frombuffer(bytes(slate.candidates), "<i4").astype(np.int64)
    letters = str(slate.retrieval_sources.get("by_candidate", ""))
    return Ranked(
        ids=ids,
        scores=np.frombuffer(bytes(slate.logits), "<f4")[: len(ids)],
        sources=letters if len(letters) == len(ids) else "m" * len(ids),
        strategy=slate.strategy,
        is_personalized=slate.feature_snapshot_id is not None,
        served=served,
        personal=scores,
    )
