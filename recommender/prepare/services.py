"""Freeze what happened into a hashed folder of arrays, and open it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from recommender.catalog.models import Catalog
from recommender.ml.features import FeatureSpec
from recommender.ml.interactions import IntArray, Interactions
from recommender.prepare.models import Snapshot


@dataclass(frozen=True)
class OpenSnapshot:
    """A snapshot in memory; the id arrays turn its numbers back into database keys."""

    interactions: Interactions
    item_ids: IntArray  # (M+1,) [0] = 0
    user_ids: IntArray  # (U+1,) [0] = 0
    features: FeatureSpec
    split_at: int  # seconds since 1970: events before train, events from here on test
    sha256: str


def freeze(
    *, catalog: Catalog, until: datetime, test_share: float = 0.1, include_simulated: bool = True
) -> Snapshot:
    """Freeze the catalog's standing events received up to `until` into a new snapshot."""
    raise NotImplementedError


def open_snapshot(snapshot: Snapshot) -> OpenSnapshot:
    """Load a snapshot's folder after checking its hash."""
    raise NotImplementedError
