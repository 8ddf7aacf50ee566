"""Name every model that can be trained, for code that must not import torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Strategy = Literal["popular", "item_item", "neural"]


@dataclass(frozen=True)
class Recipe:
    """Describe one model to people and to the queue; `defaults` mirrors the model's `Config`."""

    name: str
    strategy: Strategy  # what a list answer calls it
    label: str  # English; edges translate it
    is_sequential: bool  # the order of the history matters
    is_fast: bool  # trains in seconds: fit for a first start
    defaults: Mapping[str, int | float] = field(default_factory=dict)


_ALL = (
    Recipe("popularity", "popular", "Popularity", is_sequential=False, is_fast=True),
    Recipe("item_knn", "item_item", "Item neighbors", is_sequential=False, is_fast=True),
    Recipe(
        "matrix_factorization", "neural", "Matrix factorization", is_sequential=False, is_fast=True
    ),
    Recipe("two_tower", "neural", "Two towers", is_sequential=False, is_fast=False),
    Recipe("transformer", "neural", "Transformer", is_sequential=True, is_fast=False),
)

RECIPES: Mapping[str, Recipe] = MappingProxyType({recipe.name: recipe for recipe in _ALL})
