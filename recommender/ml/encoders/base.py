"""What every encoder is: something read in, a unit row out. Shapes: n things, D dimensions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import structlog
from numpy.typing import NDArray

from recommender.errors import NotReady

ModalityName = Literal["text", "picture", "sound"]
MODALITIES: tuple[ModalityName, ...] = ("text", "picture", "sound")
Source = str | bytes | Path  # a text; a file's bytes or its path for pictures and sounds
Vectors = NDArray[np.float32]
Report = Callable[[int, str], None]

MOST_CHARACTERS = 2000  # of a text; the rest is not read

log = structlog.get_logger(__name__)


class NotAvailable(NotReady):
    """An encoder that is unknown or whose weights are not installed; says what to do."""


class Unreadable(Exception):
    """One text, picture or sound that cannot be read, and why."""


def log_unreadable(number: int, reason: str) -> None:
    """Log that the batch's entry `number` could not be read."""
    log.warning("not_encoded", entry=number, reason=reason)


class Encoder(ABC):
    """Turn texts, pictures or sounds into vectors.

    Vectors of different (id, version) must never be mixed. A subclass gives the four attributes,
    `_read` for one entry and `_run` for all that could be read.
    """

    id: str  # names the encoder
    version: str  # names the weights: another version makes other vectors
    dimension: int  # D
    modality: ModalityName

    def encode(self, batch: Sequence[Source], report: Report = log_unreadable) -> Vectors:
        """Encode a batch to (n, D) rows of length 1.

        An empty text gives zeros. So does what cannot be read, which is reported with its position
        and the reason; it never spoils the rest of the batch.
        """
        rows = np.zeros((len(batch), self.dimension), dtype=np.float32)
        read, places = [], []
        for place, source in enumerate(batch):
            try:
                entry = self._read(source)
            except Unreadable as reason:
                report(place, str(reason))
                continue
            if entry is not None:
                read.append(entry)
                places.append(place)
        if read:
            rows[places] = _unit(self._run(read))
        for place in places:
            if not np.isfinite(rows[place]).all():
                rows[place] = 0
                report(place, "The encoder answered with numbers that are not finite.")
        return rows

    @abstractmethod
    def _read(self, source: Source) -> Any:
        """Prepare one entry; None when there is nothing in it. Raises: Unreadable."""

    @abstractmethod
    def _run(self, entries: list[Any]) -> Vectors:
        """Return (len(entries), D), of any length."""


class TextEncoder(Encoder):
    """Read texts; a subclass gives `_run` over stripped, non-empty ones."""

    modality: ModalityName = "text"

    def _read(self, source: Source) -> str | None:
        return str(source)[:MOST_CHARACTERS].strip() or None


def _unit(rows: Vectors) -> Vectors:
    with np.errstate(invalid="ignore", over="ignore"):  # infinite rows become NaN, then zeros
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)


def short_id(name: str) -> str:
    """Return an id of at most 100 characters, which is what a vector's row keeps.

    >>> short_id("hf:google/siglip2-base-patch16-224")
    'hf:google/siglip2-base-patch16-224'
    """
    import hashlib

    if len(name) <= 100:
        return name
    return f"{name[:83]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
