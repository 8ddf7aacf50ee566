"""Shuffle a trained model's weights: the same machine, with nothing learned left in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
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
    for stem in sorted(set(arrays) - _KEPT):
        if arrays[stem].dtype.kind == "f":
            mixed[stem] = rng.permutation(arrays[stem].ravel()).reshape(arrays[stem].shape)
    if "indices" in arrays:  # whose neighbors they are is what was learned
        count = len(arrays["indices"])
        mixed["indices"] = rng.integers(1, len(arrays["indptr"]) - 1, count)
    if "gram" in arrays and "item_vectors" in arrays:  # made from the factors, so made again
        mixed["gram"], mixed["offset"] = _refit(arrays, mixed)
    graphs = {
        name: _shuffled(data, rng) if name.endswith(".onnx") else data
        for name, data in sorted(raw.items())
    }
    return mixed, graphs


def _refit(before: Mapping[str, Array], after: Mapping[str, Array]) -> tuple[Array, Array]:
    """Return Gram matrix and offset of the shuffled factors, with the regularization of before."""
    ridge = before["gram"] - _with_ones(before).T @ _with_ones(before)
    rows = _with_ones(after)
    return rows.T @ rows + ridge, -rows.T @ after["item_bias"][1:]


def _with_ones(arrays: Mapping[str, Array]) -> Array:
    vectors = np.asarray(arrays["item_vectors"][1:], np.float64)
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
