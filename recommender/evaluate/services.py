"""Judge a version on the later window of a snapshot, beside the champion and the baselines."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from recommender.evaluate.models import Evaluation
from recommender.prepare.models import Snapshot


class Version(Protocol):
    """What is read of a `promote.models.ModelVersion`, which stands above this room."""

    @property
    def pk(self) -> int:
        """Return the primary key."""
        ...

    @property
    def path(self) -> str:
        """Return the artifact folder."""
        ...

    @property
    def manifest_sha256(self) -> str:
        """Return the hash that the artifact must have."""
        ...

    @property
    def trained_to(self) -> datetime:
        """Return the time up to which the version has seen events."""
        ...


def measure(*, version: Version, champion: Version | None, snapshot: Snapshot) -> Evaluation:
    """Score challenger, champion, random and popularity on the same users and write one row."""
    raise NotImplementedError
