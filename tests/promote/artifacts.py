"""A tiny real artifact for tests, made without training."""

from pathlib import Path
from typing import Any

import numpy as np

from recommender.catalog.models import Catalog
from recommender.ml.interactions import Interactions
from recommender.ml.models.base import ExportContext
from recommender.ml.models.popularity import Popularity
from recommender.promote.models import ModelVersion
from tests.factories import make_version


def tiny_events() -> Interactions:
    """Return three users who each took two of four items."""
    n = 6
    return Interactions(
        user=np.array([1, 1, 2, 2, 3, 3]),
        item=np.array([1, 2, 2, 3, 2, 4]),
        kind=np.zeros(n, np.int64),
        value=np.full(n, np.nan),
        weight=np.ones(n),
        time=np.arange(n) * 1000,
        n_users=3,
        n_items=4,
        kinds=("like",),
        half_life_s=np.array([1e9]),
        user_features=np.zeros((4, 0), np.float32),
        user_feature_names=(),
        item_features=np.zeros((5, 0), np.float32),
        item_feature_names=(),
        content=np.zeros((5, 0), np.float32),
    )


def write_artifact(folder: Path) -> Any:
    """Write a popularity artifact and return its manifest."""
    model = Popularity()
    list(model.fit(tiny_events()))
    ids = {"item_ids": np.arange(5), "user_ids": np.arange(4)}
    return model.export(folder, ExportContext(**ids, snapshot_sha256="0" * 64, trained_to=6000))


def whole_version(catalog: Catalog, folder: Path, **fields: Any) -> ModelVersion:
    """Return a version whose artifact can be loaded."""
    manifest = write_artifact(folder)
    known = {
        "path": str(folder),
        "manifest_sha256": manifest.sha256,
        "size_bytes": manifest.n_bytes,
        "model": "popularity",
    }
    return make_version(catalog, **(known | fields))
