"""Shuffle a trained model's weights: the same machine, with nothing learned left in it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from recommender.ml.scorers.kind import UNDER, Array

_KEPT = frozenset({"popularity", "default_features"})  # facts about the data, not weights


def randomized(
    arrays: Mapping[str, Array], raw: Mapping[str, bytes], seed: int
) -> tuple[dict[str, Array], dict[str, bytes]]:
    """Shuffle the entries of every weight: shapes and distributions stay, what was learned goes.

    Args:
        arrays: an artifact's arrays by stem; item and user keys stay.
        raw: its raw files, towers among them.
    Returns: what `build_scorer` takes.
    Source: the model parameter randomization test of Adebayo et al. 2018, arXiv 1810.03292, 3.
    """
    rng = np.random.default_rng(seed)
    mixed = dict(arrays)
    for stem in sorted(arrays):
        if arrays[stem].dtype.kind == "f" and own_name(stem) not in _KEPT:
            mixed[stem] = rng.permutation(arrays[stem].ravel()).reshape(arrays[stem].shape)
    for stem in sorted(arrays):
        prefix = stem.removesuffix(own_name(stem))  # of a member of a blend, else empty
        if own_name(stem) == "indices":  # whose neighbors they are is what was learned
            n_items = len(arrays[f"{prefix}indptr"]) - 2
            mixed[stem] = rng.integers(1, n_items + 1, len(arrays[stem]))
        if own_name(stem) == "gram":  # made from the factors, so made again
            gram, offset = _refit(arrays, mixed, prefix)
            mixed |= {stem: gram, f"{prefix}offset": offset}
    graphs = {
        name: _shuffled(data, rng) if name.endswith(".onnx") else data
        for name, data in sorted(raw.items())
    }
    return mixed, graphs


def own_name(stem: str) -> str:
    """Return an array's name without its member's: `knn__data` is that member's `data`."""
    return stem.rpartition(UNDER)[2]


def _refit(
    before: Mapping[str, Array], after: Mapping[str, Array], prefix: str
) -> tuple[Array, Array]:
    """Return Gram matrix and offset of the shuffled factors, with the regularization of before."""
    old, new = _with_ones(before, prefix), _with_ones(after, prefix)
    ridge = before[f"{prefix}gram"] - old.T @ old
    return new.T @ new + ridge, -new.T @ after[f"{prefix}item_bias"][1:]


def _with_ones(arrays: Mapping[str, Array], prefix: str) -> Array:
    vectors = np.asarray(arrays[f"{prefix}item_vectors"][1:], np.float64)
    return np.hstack([vectors, np.ones((len(vectors), 1))])


def _shuffled(graph: bytes, rng: np.random.Generator) -> bytes:
    """Shuffle the finite float initializers of an ONNX graph; masks and shapes stay."""
    import onnx  # training has it; serving never comes here

    model = onnx.load_from_string(graph)
    for tensor in model.graph.initializer:
        weights = onnx.numpy_helper.to_array(tensor)
        if weights.dtype.kind == "f" and weights.size > 1 and np.isfinite(weights).all():
            mixed = rng.permutation(weights.ravel()).reshape(weights.shape)
            tensor.CopyFrom(onnx.numpy_helper.from_array(mixed, tensor.name))
    packed: bytes = model.SerializeToString()
    return packed
