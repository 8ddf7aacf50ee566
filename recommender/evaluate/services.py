"""Judge a version on the later window of a snapshot, beside the champion and the baselines."""

from __future__ import annotations

from recommender.evaluate.models import Evaluation
from recommender.prepare.models import Snapshot
from recommender.promote.models import ModelVersion


def measure(
    *, version: ModelVersion, champion: ModelVersion | None, snapshot: Snapshot
) -> Evaluation:
    """Score challenger, champion, random and popularity on the same users and write one row."""
    raise NotImplementedError
