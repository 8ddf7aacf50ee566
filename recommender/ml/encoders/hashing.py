"""A text encoder without weights: words and character n-grams hashed into a fixed width.

Source: Weinberger et al. 2009, arXiv 0902.2206 (signed feature hashing). Differs by using words and
character 3- to 5-grams together, and by damping repeated features with a square root.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from zlib import crc32

import numpy as np

from recommender.ml.encoders.base import TextEncoder, Vectors

DIMENSION = 256
WORD_WEIGHT = 2.0
_WORD = re.compile(r"\w+")


class HashingEncoder(TextEncoder):
    """Shared words and spellings make vectors near; meaning does not."""

    id = "hashing"
    version = "1"
    dimension = DIMENSION

    def _run(self, entries: list[str]) -> Vectors:
        """Encode texts; one without any word gives zeros."""
        out = np.zeros((len(entries), DIMENSION), dtype=np.float32)
        for row, text in zip(out, entries, strict=True):
            _encode_into(row, text)
        return out


def _encode_into(row: Vectors, text: str) -> None:
    # crc32 and not hash(): Python's own differs from process to process.
    for feature, count in Counter(_features(text)).items():
        digest = crc32(feature.encode("utf-8", "surrogatepass"))
        weight = WORD_WEIGHT if feature[0] == "w" else 1.0
        sign = 1.0 if digest & 1 else -1.0
        row[(digest >> 1) % DIMENSION] += sign * weight * count**0.5


def _features(text: str) -> Iterator[str]:
    plain = unicodedata.normalize("NFKC", text).casefold()
    for word in _WORD.findall(plain):
        yield f"w{word}"
        padded = f"<{word}>"
        for length in (3, 4, 5):
            for start in range(len(padded) - length + 1):
                yield f"c{padded[start : start + length]}"
