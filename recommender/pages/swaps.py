"""Fragments that a script swaps into the page; the same files the full page includes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Swap:
    """A fragment that takes the place of the element with this id."""

    target: str
    template: str
    context: Mapping[str, Any] = field(default_factory=dict)
