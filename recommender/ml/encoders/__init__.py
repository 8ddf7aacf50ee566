"""Pretrained text encoders behind one small interface. Shapes: n texts, D dimensions."""

import importlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recommender.errors import NotReady


class NotAvailable(NotReady):
    """An encoder that is unknown or whose weights are not installed; says what to do."""


class Encoder(Protocol):
    """Turn texts into vectors. Vectors of different (id, version) must never be mixed."""

    @property
    def id(self) -> str:
        """Name the encoder."""

    @property
    def version(self) -> str:
        """Name the weights: another version makes other vectors."""

    @property
    def dimension(self) -> int:
        """Give D."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts to (n, D) rows of length 1; a text without a word or sign gives zeros."""


# Name in settings → (module, class); modules load on first use, since weights are large.
ENCODERS: Mapping[str, tuple[str, str]] = {
    "bundled:use": ("recommender.ml.encoders.use", "UseEncoder"),
    "hashing": ("recommender.ml.encoders.hashing", "HashingEncoder"),
}


@lru_cache(maxsize=2)
def load_encoder(name: str) -> Encoder:
    """Return the encoder of this name; loading happens once per process.

    Raises: NotAvailable, naming the remedy, rather than falling back to another encoder.
    """
    if name not in ENCODERS:
        raise NotAvailable(f"There is no encoder {name!r}; choose one of: {', '.join(ENCODERS)}.")
    module, cls = ENCODERS[name]
    made: Any = getattr(importlib.import_module(module), cls)()
    encoder: Encoder = made
    return encoder
