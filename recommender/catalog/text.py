"""What a text encoder reads from an item."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

MOST_CHARACTERS = 2000


class HasText(Protocol):
    """An item, stored or about to be."""

    @property
    def title(self) -> str:
        """Give the title."""

    @property
    def description(self) -> str:
        """Give the description."""

    @property
    def categories(self) -> Sequence[str]:
        """Give the categories."""

    @property
    def tags(self) -> Sequence[str]:
        """Give the tags."""

    @property
    def creators(self) -> Sequence[str]:
        """Give the creators."""


def item_text(item: HasText) -> str:
    """Join title, categories, tags, creators and description, the telling parts first."""
    parts = [
        item.title,
        ", ".join(item.categories),
        ", ".join(item.tags),
        ", ".join(item.creators),
        item.description,
    ]
    return ". ".join(part for part in parts if part)[:MOST_CHARACTERS]


def text_hash(item: HasText) -> str:
    """Digest what the encoder would read: another digest means encoding again."""
    return sha256(item_text(item).encode()).hexdigest()
