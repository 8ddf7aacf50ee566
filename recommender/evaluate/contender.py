"""Open a version for judging: its model, and how the snapshot's numbers translate into its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from recommender.ml.artifact import LoadedModel, load_model
from recommender.ml.features import FeatureSpec, as_of_now, translate_users
from recommender.ml.interactions import FloatArray, IntArray
from recommender.prepare.services import OpenSnapshot


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


@dataclass(frozen=True)
class Contender:
    """A loaded model, with the snapshot's items and users in its own terms."""

    model: LoadedModel
    numbers: IntArray  # (M+1,) the model's number of each of the snapshot's items, 0 = unknown
    features: FloatArray  # (U+1, F) in the model's columns

    def can_meet_as_new(self, items: IntArray) -> IntArray:
        """Keep the snapshot's items on which this model can be judged as on new ones."""
        own = self.numbers[items]
        held_out = self.model.scorer.held_out
        is_fit = own > 0 if held_out is None else np.isin(own, held_out) & (own > 0)
        return items[is_fit]


def enter(version: Version, opened: OpenSnapshot) -> Contender:
    """Load and check a version's artifact. Raises: ArtifactError for a broken one."""
    model = load_model(Path(version.path), manifest_sha256=version.manifest_sha256)
    numbers = np.asarray(model.item_numbers(opened.item_ids)).copy()
    numbers[0] = 0
    return Contender(model, numbers, features_for(model, opened))


def features_for(model: LoadedModel, opened: OpenSnapshot) -> FloatArray:
    """Return (U+1, F) user features in the model's own columns, as serving computes them.

    A model that carries no feature spec gets none, which stands for the mean user.
    """
    plain: Mapping[str, Any] | None = model.manifest.extra.get("feature_spec")
    data = opened.interactions
    if not plain or not model.user_feature_names:
        return np.zeros((data.n_users + 1, 0), dtype=np.float32)
    wanted = FeatureSpec.from_dict(plain)
    return as_of_now(translate_users(data.user_features, opened.features, wanted), wanted)
