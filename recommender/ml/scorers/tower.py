"""Run a user tower at the request: what two towers and sequence models are exported to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.ml.cold import COLD_ARRAYS, COLD_ITEMS
from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.manifest import TOWER, ArtifactError
from recommender.ml.scorers.kind import Pieces, ScorerKind
from recommender.ml.scoring import History, Scorer, cosine_to, pack, unit_rows, with_rows

COMPONENT = "component_"  # prefix of arrays that sum to the item vectors


@dataclass(frozen=True)
class ColdRows:
    """Hold what a tower knew of its held-out items before it learned anything of them."""

    items: IntArray  # (C,) rising
    vectors: FloatArray  # (C, D)
    bias: FloatArray  # (C,)


@dataclass(frozen=True)
class TowerScorer:
    """Compute the user's vector from the events at the request, then one product with all items.

    The tower is an ONNX graph with any of the inputs `vectors` (B, L, D), the item vectors of the
    history padded right with zeros, `weights`, `gaps`, `kinds` and `values` (B, L) of its events,
    `lengths` (B,) int64, `features` (B, F_u), `user` (B, D), the user's own vector; its output is
    (B, D).
    """

    session: Any  # onnxruntime.InferenceSession: untyped
    item_vectors: FloatArray  # (M+1, D)
    item_bias: FloatArray  # (M+1,)
    default_features: FloatArray  # (F_u,) the mean user's
    history_length: int
    components: Mapping[str, FloatArray] = field(default_factory=dict)  # sum to item_vectors
    own_vectors: FloatArray | None = None  # (U+1, D), row 0 = zeros: users known at training
    cold_rows: ColdRows | None = None

    @property
    def n_items(self) -> int:
        """Return M."""
        return len(self.item_bias) - 1

    @cached_property
    def vectors(self) -> FloatArray:
        """Return the item vectors at unit length."""
        return unit_rows(self.item_vectors)

    @cached_property
    def _inputs(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.session.get_inputs())

    def user_vectors(self, histories: Sequence[History]) -> FloatArray:
        """Run the tower once for the whole batch and return (B, D)."""
        packed = pack(histories, self.history_length, self.default_features)
        feeds: dict[str, NDArray[Any]] = {**packed, "vectors": self.item_vectors[packed["items"]]}
        if self.own_vectors is not None:
            feeds["user"] = self.own_vectors[packed["users"]]
        (users,) = self.session.run(None, {name: feeds[name] for name in self._inputs})
        return np.asarray(users, np.float32)

    def score(self, histories: Sequence[History]) -> FloatArray:
        """Return user vector · item vector + item bias."""
        scores: FloatArray = self.user_vectors(histories) @ self.item_vectors.T  # (B, M+1)
        scores += self.item_bias
        scores[:, 0] = -np.inf
        return scores

    def similar(self, item: int) -> FloatArray:
        """Return the cosine between item vectors."""
        return cosine_to(self.vectors, item)

    def parts(self, history: History, items: IntArray) -> dict[str, FloatArray]:
        """Split into `bias` and the match with each component of the item vectors."""
        (user,) = self.user_vectors([history])
        components = self.components or {"match": self.item_vectors}
        matches = {name: np.asarray(rows[items] @ user) for name, rows in components.items()}
        return {"bias": np.asarray(self.item_bias[items], np.float32), **matches}

    @property
    def held_out(self) -> IntArray:
        """Return the items that training left alone; the network has met all others."""
        return np.zeros(0, np.int64) if self.cold_rows is None else self.cold_rows.items

    def cold(self, items: IntArray) -> "TowerScorer":
        """Return the scorer with the rows that these items had before anything was learned of them.

        Raises: ValueError for an item that training did not hold out.
        """
        if not np.isin(items, self.held_out).all():
            unfit = np.setdiff1d(items, self.held_out)
            raise ValueError(f"items {unfit[:5].tolist()} were trained on; choose from `held_out`")
        if self.cold_rows is None:
            return self
        place = np.searchsorted(self.cold_rows.items, items)
        return replace(
            self,
            item_vectors=with_rows(self.item_vectors, items, self.cold_rows.vectors[place]),
            item_bias=with_rows(self.item_bias, items, self.cold_rows.bias[place]),
            components={},
        )


def build(pieces: Pieces) -> Scorer:
    """Return the scorer of checked pieces; reads `history_length`.

    The tower is run once on an empty history: a graph that cannot answer is refused.
    """
    return build_tower(pieces)


def build_tower(pieces: Pieces) -> TowerScorer:
    """Do what `build` says; for kinds that have a tower inside."""
    arrays, length = pieces.arrays, int(pieces.number("history_length"))
    try:
        scorer = TowerScorer(
            session=open_tower(pieces.raw.get(TOWER, b"")),
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
            cold_rows=_cold_rows(pieces),
        )
        width = scorer.user_vectors([History.empty()]).shape
    except Exception as error:  # ONNX Runtime raises classes of its own, without a common base
        raise ArtifactError(TOWER, f"ONNX Runtime cannot run it ({error})") from error
    if width != (1, arrays["item_vectors"].shape[1]):
        raise ArtifactError(TOWER, f"its output is {width}, not one row as wide as the items")
    return scorer


def check(pieces: Pieces) -> None:
    """Refuse held-out items that are no items, or whose rows are not all there."""
    stored = [stem for stem in COLD_ARRAYS if stem in pieces.arrays]
    if stored and len(stored) < len(COLD_ARRAYS):
        raise pieces.refuse(stored[0], f"it needs {', '.join(COLD_ARRAYS)} beside it")
    items = pieces.arrays.get(COLD_ITEMS, np.zeros(0, np.int64))
    if len(items) and not (items[0] >= 1 and items[-1] <= pieces.n_items):
        raise pieces.refuse(COLD_ITEMS, "it points outside the items")
    if (np.diff(items) <= 0).any():
        raise pieces.refuse(COLD_ITEMS, "its items do not rise")


def _cold_rows(pieces: Pieces) -> ColdRows | None:
    if COLD_ITEMS not in pieces.arrays:
        return None
    return ColdRows(*(pieces.arrays[stem] for stem in COLD_ARRAYS))


def open_tower(graph: bytes) -> Any:
    """Return a single-threaded ONNX Runtime session; importing the runtime waits until here."""
    import onnxruntime  # 11 MB that a site serving arrays alone never pays

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


TOWERS = ScorerKind(
    name="tower",
    shapes={"item_vectors": "M+1, D", "item_bias": "M+1", "default_features": "F"},
    optional={
        "own_vectors": "U+1, D",
        f"{COMPONENT}*": "M+1, D",
        **dict(zip(COLD_ARRAYS, ("C", "C, D", "C"), strict=True)),
    },
    raw=frozenset({TOWER}),
    build=build,
    check=check,
)
