"""Put a scorer together from an artifact's checked arrays."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from recommender.ml.manifest import MANIFEST, TOWER, ArtifactError, Manifest
from recommender.ml.scoring import (
    BlendScorer,
    FoldInScorer,
    History,
    NeighborScorer,
    PopularityScorer,
    Scorer,
    TowerScorer,
)

COMPONENT = "component_"  # prefix of arrays that sum to the item vectors

Array = NDArray[Any]


def build_scorer(
    manifest: Manifest, arrays: Mapping[str, Array], raw: Mapping[str, bytes]
) -> Scorer:
    """Return the scorer of this kind of model over checked arrays (by stem) and raw files."""
    numbers = manifest.scoring
    try:
        if manifest.kind == "popularity":
            return PopularityScorer(arrays["popularity"], arrays["vectors"])
        if manifest.kind == "neighbors":
            return _neighbor_scorer(arrays, numbers, arrays["item_bias"], arrays["vectors"])
        if manifest.kind == "fold_in":
            return FoldInScorer(
                item_vectors=arrays["item_vectors"],
                item_bias=arrays["item_bias"],
                gram=arrays["gram"],
                offset=arrays["offset"],
                alpha=numbers["alpha"],
            )
        tower = _tower_scorer(arrays, raw.get(TOWER, b""), int(numbers["history_length"]))
        if manifest.kind == "tower":
            return tower
        neighbors = _neighbor_scorer(arrays, numbers, arrays["neighbor_bias"], tower.vectors)
        return BlendScorer(tower, neighbors, numbers["neighbor_weight"])
    except KeyError as error:
        raise ArtifactError(MANIFEST, f"the scorer needs the number {error}") from error


def _neighbor_scorer(
    arrays: Mapping[str, Array], numbers: Mapping[str, float], bias: Array, vectors: Array
) -> NeighborScorer:
    return NeighborScorer(
        indptr=arrays["indptr"],
        indices=arrays["indices"],
        data=arrays["data"],
        bias=bias,
        vectors=vectors,
        half_life_days=numbers["half_life_days"],
        history_length=int(numbers["history_length"]),
    )


def _tower_scorer(arrays: Mapping[str, Array], graph: bytes, length: int) -> TowerScorer:
    """Open the tower and run it once on an empty history: a graph that can't answer is refused."""
    try:
        session = open_tower(graph)
        scorer = TowerScorer(
            session=session,
            item_vectors=arrays["item_vectors"],
            item_bias=arrays["item_bias"],
            default_features=arrays["default_features"],
            history_length=length,
            components={
                stem.removeprefix(COMPONENT): array
                for stem, array in arrays.items()
                if stem.startswith(COMPONENT)
            },
            own_vectors=arrays.get("own_vectors"),
        )
        width = scorer.user_vectors([History.empty()]).shape
    except Exception as error:  # ONNX Runtime raises classes of its own, without a common base
        raise ArtifactError(TOWER, f"ONNX Runtime cannot run it ({error})") from error
    if width != (1, arrays["item_vectors"].shape[1]):
        raise ArtifactError(TOWER, f"its output is {width}, not one row as wide as the items")
    return scorer


def open_tower(graph: bytes) -> Any:
    """Return a single-threaded ONNX Runtime session; importing the runtime waits until here."""
    import onnxruntime  # 11 MB that a site serving arrays alone never pays

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
