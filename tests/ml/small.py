"""Configs that train in a moment, and an export's context, for tests of models."""

import numpy as np

from recommender.ml.models import MODELS
from recommender.ml.models.base import ExportContext

SMALL = {
    "popularity": {},
    "item_knn": {"shrinkage": 1.0, "n_neighbors": 20},
    "content": {},
    "user_knn": {"shrinkage": 1.0, "n_neighbors": 15},
    "ease": {"reg": 5.0},
    "matrix_factorization": {"embedding_size": 8, "epochs": 4, "reg": 1.0},
    "slit": {"reg": 1.0},
    "caser": {"embedding_size": 16, "epochs": 15, "batch_size": 200, "dropout": 0.1},
    "neumf": {"embedding_size": 16, "hidden_size": 12, "epochs": 12, "batch_size": 200},
    "two_tower": {"embedding_size": 16, "hidden_size": 16, "epochs": 12, "batch_size": 200},
    "transformer": {"embedding_size": 16, "epochs": 15, "batch_size": 200, "dropout": 0.1},
    "hybrid": {"embedding_size": 16, "epochs": 15, "batch_size": 200, "dropout": 0.1},
}
NAMES = sorted(MODELS)


def small(name, **changes):
    """Build a small model of this name."""
    model = MODELS[name]
    return model(model.Config(**(SMALL[name] | changes)))


def trained(name, data, *, validation=None, seed=1, start=None, **changes):
    """Build and train a small model."""
    model = small(name, **changes)
    model.records = list(model.fit(data, validation=validation, seed=seed, start=start))
    return model


def context_for(data, **changes):
    """Return a context whose database keys are ten times the numbers."""
    facts = {
        "item_ids": np.arange(data.n_items + 1) * 10,
        "user_ids": np.arange(data.n_users + 1) * 100,
        "snapshot_sha256": "5" * 64,
        "trained_to": 1_000,
    }
    return ExportContext(**(facts | changes))
