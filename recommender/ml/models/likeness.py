"""Give items vectors whose cosine says how alike they are, for models that learn none."""

import numpy as np

from recommender.ml.interactions import FloatArray, Interactions
from recommender.ml.scoring import unit_rows
from recommender.ml.sequences import Sequences, cooccurrence, ppmi_vectors

DIMENSION = 32
WINDOW = 8


def likeness_vectors(data: Interactions, seed: int) -> FloatArray:
    """Return (M+1, D) unit rows: content vectors, else factors of what is used together."""
    if data.content.shape[1]:
        return unit_rows(data.content)
    counts = cooccurrence(Sequences.of(data), data.n_items, WINDOW)
    return unit_rows(ppmi_vectors(counts, DIMENSION, np.random.default_rng(seed)))
