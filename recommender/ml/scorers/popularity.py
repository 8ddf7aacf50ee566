"""Give everybody the same list: what the most people took."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.scorers.kind import Pieces, ScorerKind
from recommender.ml.scoring import History, Scorer, cosine_to, with_rows


@dataclass(frozen=True)
class PopularityScorer:
    """Give everybody the same list."""

    popularity: FloatArray  # (M+1,)
    vectors: FloatArray  # (M+1, D)

    @property
    def n_items(self) -> int:
        """Return M."""
        return len(self.popularity) - 1

    def score(self, histories: Sequence[History]) -> FloatArray:
        """Return the same row for every history."""
        scores: FloatArray = np.tile(np.asarray(self.popularity, np.float32), (len(histories), 1))
        scores[:, 0] = -np.inf
        return scores

    def similar(self, item: int) -> FloatArray:
        """Compare content vectors, since popularity knows no likeness."""
        return cosine_to(self.vectors, item)

    def parts(self, history: History, items: IntArray) -> dict[str, FloatArray]:
        """Return the one part there is."""
        del history  # nobody is different here
        return {"bias": np.asarray(self.popularity[items], np.float32)}

    @property
    def held_out(self) -> None:
        """Return that any item can be scored as new: each counts on its own."""
        return

    def cold(self, items: IntArray) -> "PopularityScorer":
        """Return the scorer with nobody having taken these items."""
        return replace(self, popularity=with_rows(self.popularity, items, 0.0))


def build(pieces: Pieces) -> Scorer:
    """Return the scorer of checked pieces."""
    return PopularityScorer(pieces.arrays["popularity"], pieces.arrays["vectors"])


POPULARITY = ScorerKind(
    name="popularity", shapes={"popularity": "M+1", "vectors": "M+1, D"}, build=build
)
