"""Make smaller variants of a trained model, each an artifact of its own that `load_model` serves.

Works on any kind of model by the names and shapes of its arrays. A variant lacks the weights that
training goes on from: those stay with the original.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from recommender.ml.artifact import Payload, read_payload, save_artifact
from recommender.ml.assemble import build_scorer
from recommender.ml.axes import KEPT_SHARE, user_basis
from recommender.ml.cold import COLD_VECTORS
from recommender.ml.graphs import USER, VECTORS, halve_graph, quantize_graph, shorten_graph
from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.manifest import TOWER, VARIANT, Manifest
from recommender.ml.packing import Array, Storage, pack
from recommender.ml.scorers.kind import UNDER
from recommender.ml.scorers.pair import PAIRS
from recommender.ml.scorers.tower import COMPONENT
from recommender.ml.scoring import History, Scorer

ITEM_VECTORS, OWN_VECTORS = "item_vectors", "own_vectors"
SUMS_TO = 1e-3  # parts count as parts of a sum when they meet it this closely


@dataclass(frozen=True)
class Change:
    """Say what one compressed variant changes."""

    tables: Storage  # of tables and neighbor lists
    graph: Storage  # of the tower's weights
    is_short: bool = False  # half as many numbers per vector


VARIANTS: Mapping[str, Change] = MappingProxyType(
    {
        "float16": Change("float16", "float16"),
        "int8_rows": Change("int8", "float32"),
        "int8_tower": Change("float32", "int8"),
        "int8": Change("int8", "int8"),
        "short": Change("float16", "float16", is_short=True),
        "short_int8": Change("int8", "int8", is_short=True),
    }
)


class CannotCompressError(Exception):
    """Say why a model has no such variant."""


def variants_of(manifest: Manifest) -> tuple[str, ...]:
    """Name the variants that differ for this model: without a tower or vectors there are fewer."""
    names = {entry.name for entry in manifest.files}
    has_tower = any(name.endswith(TOWER) for name in names)
    has_vectors = any(name.endswith(f"{ITEM_VECTORS}.npy") for name in names)
    # A network over pairs reads single numbers of a vector: they cannot be turned or dropped.
    has_vectors = has_vectors and manifest.kind != PAIRS.name
    return tuple(
        name
        for name, change in VARIANTS.items()
        if (has_vectors or not change.is_short) and (has_tower or change.tables == change.graph)
    )


def compress(source: Path, target: Path, name: str, *, people: Sequence[History] = ()) -> Manifest:
    """Write the variant `name` of the model in `source` to the new folder `target`.

    Args:
        source: an original, as training wrote it.
        target: must not exist yet.
        name: one of `variants_of` its manifest.
        people: histories from before the window of any later judgement. Shorter vectors keep the
            directions in which these people differ; without any, those in which items do.
    Raises: CannotCompressError for a variant of a variant, or a variant that this model has not;
        ArtifactError for a damaged source.
    """
    manifest, payload = read_payload(source)
    if VARIANT in manifest.extra:
        made = manifest.extra[VARIANT]["name"]
        raise CannotCompressError(f"this is the {made} variant already; start from its original")
    if name not in variants_of(manifest):
        has = ", ".join(variants_of(manifest))
        raise CannotCompressError(f"{manifest.model} has no variant {name!r}; it has {has}")
    change = VARIANTS[name]
    arrays, raw = dict(payload.arrays), dict(payload.raw)
    if change.is_short:
        arrays, raw = _shorten(manifest, Payload(arrays, raw), people)
    remainders = _remainders(arrays) if change.tables != "float32" else {}
    kept = {stem: array for stem, array in arrays.items() if stem not in remainders}
    arrays = pack(kept, change.tables)
    raw = {file: _smaller(graph, change.graph) for file, graph in raw.items()}
    about = {"name": name, "of": manifest.sha256, "remainders": remainders}
    made_of = replace(manifest, extra={**manifest.extra, VARIANT: about}, files=())
    return save_artifact(target, made_of, Payload(arrays, raw))


def served_bytes(manifest: Manifest) -> int:
    """Count the bytes that serving reads: all files but the weights to train on from."""
    return sum(e.n_bytes for e in manifest.files if not e.name.endswith(".safetensors"))


def cpu_ms(scorer: Scorer, people: Sequence[History], *, rounds: int = 3) -> float:
    """Return the CPU time of one person's scores over all items, ms: median over people × rounds.

    Scores one person alone first, since a first run allocates. NaN without people.
    """
    if not len(people):
        return math.nan
    scorer.score([people[0]])
    spent = []
    for person in [*people] * rounds:
        began = time.process_time()
        scorer.score([person])
        spent.append(time.process_time() - began)
    return 1e3 * float(np.median(spent))


def overlap(a: IntArray, b: IntArray) -> FloatArray:
    """Return (n,) which share of each list of `a` (n, k) is in the same row of `b`, any order.

    >>> overlap(np.array([[1, 2], [3, 4]]), np.array([[2, 1], [4, 5]])).tolist()
    [1.0, 0.5]
    """
    is_in = (a[:, :, None] == b[:, None, :]).any(axis=2)
    return np.asarray(is_in.mean(axis=1))


def _shorten(
    manifest: Manifest, payload: Payload, people: Sequence[History]
) -> tuple[dict[str, Array], dict[str, bytes]]:
    """Rotate and cut every group of vectors, and what reads or makes them."""
    arrays, raw = dict(payload.arrays), dict(payload.raw)
    scorer: Any = build_scorer(manifest, arrays, raw)
    for stem in [s for s in arrays if s.endswith(ITEM_VECTORS)]:
        prefix = stem.removesuffix(ITEM_VECTORS)
        vectors = payload.arrays[stem]
        users = _user_vectors(_under(scorer, prefix), people)
        basis = user_basis(vectors, users, int(vectors.shape[1] * KEPT_SHARE))
        cold = [prefix + COLD_VECTORS] if prefix + COLD_VECTORS in arrays else []
        for table in (stem, *_parts(arrays, prefix), *cold):
            arrays[table] = np.asarray(arrays[table] @ basis, np.float32)
        if prefix + "gram" in arrays:  # a least-squares problem, solved in the short space
            wide = np.zeros((len(basis) + 1, basis.shape[1] + 1))
            wide[:-1, :-1], wide[-1, -1] = basis, 1.0
            arrays[prefix + "gram"] = wide.T @ arrays[prefix + "gram"] @ wide
            arrays[prefix + "offset"] = wide.T @ arrays[prefix + "offset"]
        own = arrays.get(prefix + OWN_VECTORS)
        bases = {VECTORS: basis}
        if own is not None:
            bases[USER] = user_basis(own, own, basis.shape[1])
            arrays[prefix + OWN_VECTORS] = np.asarray(own @ bases[USER], np.float32)
        if prefix + TOWER in raw:
            raw[prefix + TOWER] = shorten_graph(raw[prefix + TOWER], bases, basis)
    return arrays, raw


def _under(scorer: Any, prefix: str) -> Any:
    """Return the part of a scorer whose arrays have this prefix."""
    if prefix:
        return scorer.members[prefix.removesuffix(UNDER)].scorer
    return getattr(scorer, "tower", scorer)


def _user_vectors(scorer: Any, people: Sequence[History]) -> FloatArray:
    """Return (n, D) vectors of these people as the scorer works them out."""
    width = scorer.item_vectors.shape[1]
    if not len(people):
        return np.zeros((0, width), np.float32)
    # Beside a user's vector a least-squares scorer returns the user's bias, which nothing cuts.
    return np.asarray(scorer.user_vectors(people)[:, :width])


def _parts(arrays: Mapping[str, Array], prefix: str) -> list[str]:
    return [stem for stem in arrays if stem.startswith(prefix + COMPONENT)]


def _remainders(arrays: Mapping[str, Array]) -> dict[str, list[Any]]:
    """Name, for each sum of parts, the largest part: it can be had from the sum and the others."""
    found: dict[str, list[Any]] = {}
    for stem in arrays:
        prefix = stem.removesuffix(ITEM_VECTORS)
        parts = _parts(arrays, prefix) if stem.endswith(ITEM_VECTORS) else []
        if not parts:
            continue
        gap = np.abs(arrays[stem] - sum(arrays[part] for part in parts)).max()
        if float(gap) <= SUMS_TO:
            largest = max(parts, key=lambda part: float(np.abs(arrays[part]).sum()))
            found[largest] = [stem, [part for part in parts if part != largest]]
    return found


def _smaller(graph: bytes, storage: Storage) -> bytes:
    if storage == "float32":
        return graph
    return halve_graph(quantize_graph(graph) if storage == "int8" else graph)
