"""What a user tower reads, and the frame that every tower fills."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from recommender.ml.models.item_table import ItemTable


@dataclass(frozen=True)
class Events:
    """Hold what is read of B users: their events, padded right, and what is known of them."""

    vectors: Tensor  # (B, L, D) of the events' items
    weights: Tensor  # (B, L) strengths, 0 where padded
    gaps: Tensor  # (B, L) buckets of the pause before each event, 0 = unknown
    kinds: Tensor  # (B, L) slots of the events' types, 0 = unknown
    values: Tensor  # (B, L) ratings, NaN where none
    features: Tensor  # (B, F_u)
    own: Tensor | None  # (B, D) the user's own vector, where the model has any


class TowerModule(nn.Module):
    """Hold an item table and a user encoder; a subclass gives `encode`."""

    inputs: ClassVar[tuple[str, ...]]  # what the exported tower reads, in the order of `forward`

    def __init__(self, table: ItemTable) -> None:
        """Take the item table."""
        super().__init__()
        self.table = table

    @property
    def device(self) -> torch.device:
        """Return where the weights are."""
        return self.table.ids.device

    def items(self, numbers: Tensor) -> Tensor:
        """Return (n, D) item vectors, the ones that are read and the ones that are ranked."""
        vectors: Tensor = self.table(numbers)
        return vectors

    def own(self, users: Tensor) -> Tensor | None:
        """Return (B, D) vectors of users known by number; None: this model knows nobody."""
        del users
        return None

    def match(self, users: Tensor, items: Tensor) -> Tensor:
        """Return (P, K) scores, without bias, of every user (P, D) with every item (K, D)."""
        return users @ items.T

    def match_own(self, users: Tensor, items: Tensor) -> Tensor:
        """Return (P,) scores, without bias, of each user with the item in the same row."""
        return (users * items).sum(-1)

    @abstractmethod
    def encode(self, events: Events) -> Tensor:
        """Return (B, L+1, D): the user's vector after 0..L events."""

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return (B, D), the vector after each user's last event: the graph that is exported.

        What is not among `inputs` is filled with stand-ins that `encode` must not read.
        """
        given = dict(zip(self.inputs, tensors, strict=True))
        vectors, lengths = given["vectors"], given["lengths"]
        unread = vectors[..., 0]
        users = self.encode(
            Events(
                vectors=vectors,
                weights=given.get("weights", unread),
                gaps=given.get("gaps", unread),
                kinds=given.get("kinds", unread),
                values=given.get("values", unread),
                features=given.get("features", vectors[:, 0]),
                own=given.get("user"),
            )
        )
        last = lengths.view(-1, 1, 1).expand(-1, 1, users.shape[-1])
        return users.gather(1, last).squeeze(1)
