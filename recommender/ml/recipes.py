"""Name every model that can be trained, for code that must not import torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Strategy = Literal["popular", "item_item", "neighbours", "neural"]


@dataclass(frozen=True)
class Recipe:
    """Describe one model to people and to the queue; `defaults` mirrors the model's `Config`."""

    name: str
    strategy: Strategy  # what a list answer calls it
    label: str  # English; edges translate it
    is_sequential: bool  # the order of the history matters
    is_fast: bool  # trains in seconds: fit for a first start
    defaults: Mapping[str, int | float] = field(default_factory=dict)

    @property
    def is_teachable(self) -> bool:
        """Say whether it can learn from another version's lists: if it learns by softmax."""
        return "n_negatives" in self.defaults

    def width_under(self, width: int) -> int:
        """Return the width of vectors for a student of a teacher this wide: half, heads fitting."""
        heads = int(self.defaults.get("n_heads", 1))
        return max(width // 2 // heads, 1) * heads


_TRANSFORMER: Mapping[str, int | float] = {
    "embedding_size": 64,
    "n_blocks": 2,
    "n_heads": 2,
    "history_length": 50,
    "dropout": 0.3,
    "id_dropout": 0.05,
    "epochs": 30,
    "warm_epochs": 6,
    "patience": 12,
    "learning_rate": 0.002,
    "reg": 0.0001,
    "batch_size": 3000,
    "n_negatives": 256,
    "hold_out_share": 0.05,
    "horizon": 2,
    "ppmi_window": 8,
    "matryoshka": 0.0,
}

_ALL = (
    Recipe(
        "popularity",
        "popular",
        "Popularity",
        is_sequential=False,
        is_fast=True,
        defaults={
            "half_life_scale": 1.0,
        },
    ),
    Recipe(
        "content",
        "item_item",
        "Content",
        is_sequential=False,
        is_fast=True,
        defaults={
            "half_life_days": 60.0,
            "history_length": 50,
            "popularity_weight": 1.0,
        },
    ),
    Recipe(
        "user_knn",
        "neighbours",
        "User neighbors",
        is_sequential=False,
        is_fast=True,
        defaults={
            "n_neighbors": 50,
            "shrinkage": 10.0,
            "half_life_scale": 4.0,
            "half_life_days": 60.0,
            "history_length": 20,
            "max_users": 20000,
            "row_length": 200,
        },
    ),
    Recipe(
        "item_knn",
        "item_item",
        "Item neighbors",
        is_sequential=False,
        is_fast=True,
        defaults={
            "n_neighbors": 100,
            "shrinkage": 20.0,
            "half_life_scale": 4.0,
            "half_life_days": 60.0,
            "history_length": 50,
        },
    ),
    Recipe(
        "ease",
        "item_item",
        "EASE",
        is_sequential=True,
        is_fast=True,
        defaults={
            "reg": 200.0,
            "n_neighbors": 100,
            "max_items": 6000,
            "half_life_scale": 4.0,
            "fade": 0.93,
            "history_length": 50,
        },
    ),
    Recipe(
        "matrix_factorization",
        "neural",
        "Matrix factorization",
        is_sequential=False,
        is_fast=True,
        defaults={
            "embedding_size": 48,
            "epochs": 8,
            "reg": 8.0,
            "alpha": 3.0,
            "half_life_scale": 4.0,
        },
    ),
    Recipe(
        "slit",
        "item_item",
        "Item transitions",
        is_sequential=True,
        is_fast=True,
        defaults={
            "history_length": 15,
            "fade": 0.85,
            "horizon": 3,
            "horizon_fade": 0.5,
            "reg": 200.0,
            "n_neighbors": 200,
            "max_items": 4_000,
        },
    ),
    Recipe(
        "neumf",
        "neural",
        "NeuMF",
        is_sequential=False,
        is_fast=False,
        defaults={
            "embedding_size": 48,
            "hidden_size": 32,
            "history_length": 50,
            "dropout": 0.2,
            "id_dropout": 0.05,
            "user_dropout": 0.5,
            "epochs": 20,
            "warm_epochs": 5,
            "patience": 5,
            "learning_rate": 0.003,
            "reg": 0.001,
            "batch_size": 3000,
            "n_negatives": 64,
            "hold_out_share": 0.05,
            "horizon": 1,
            "ppmi_window": 8,
        },
    ),
    Recipe(
        "two_tower",
        "neural",
        "Two towers",
        is_sequential=False,
        is_fast=False,
        defaults={
            "embedding_size": 64,
            "hidden_size": 128,
            "history_length": 50,
            "dropout": 0.2,
            "id_dropout": 0.05,
            "user_dropout": 0.5,
            "epochs": 20,
            "warm_epochs": 5,
            "patience": 5,
            "learning_rate": 0.003,
            "reg": 0.001,
            "batch_size": 3000,
            "n_negatives": 256,
            "hold_out_share": 0.05,
            "horizon": 1,
            "ppmi_window": 8,
        },
    ),
    Recipe(
        "caser",
        "neural",
        "Caser",
        is_sequential=True,
        is_fast=False,
        defaults={
            "embedding_size": 64,
            "window": 5,
            "n_horizontal": 16,
            "n_vertical": 4,
            "history_length": 50,
            "dropout": 0.3,
            "id_dropout": 0.05,
            "epochs": 20,
            "warm_epochs": 5,
            "patience": 5,
            "learning_rate": 0.002,
            "reg": 0.0001,
            "batch_size": 3000,
            "n_negatives": 256,
            "hold_out_share": 0.05,
            "horizon": 2,
            "ppmi_window": 8,
        },
    ),
    Recipe(
        "transformer",
        "neural",
        "Transformer",
        is_sequential=True,
        is_fast=False,
        defaults=_TRANSFORMER,
    ),
    Recipe(
        "hybrid",
        "neural",
        "Hybrid",
        is_sequential=True,
        is_fast=False,
        defaults={
            **_TRANSFORMER,
            "member_weight": 1.0,
            "max_items": 6000,
        },
    ),
)

RECIPES: Mapping[str, Recipe] = MappingProxyType({recipe.name: recipe for recipe in _ALL})
