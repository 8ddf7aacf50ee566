"""Compare items with the mean of what a user took: what the content model is exported to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.scorers.kind import Pieces, ScorerKind
from recommender.ml.scoring import History, Scorer, cosine_to, event_strengths, with_rows


@dataclass(frozen=True)
class ProfileScorer:
    """Score by the cosine between an item and the weighted mean of the history's items."""

    vectors: FloatArray  # (M+1, D) unit rows, or zero
    bias: FloatArray  # (M+1,) a trace of popularity: breaks ties and serves an empty history
    half_life_days: float = 0.0
    history_length: int = 50

    @property
    def n_items(self) -> int:
        """Return M."""
        return len(self.bias) - 1

    def profiles(self, histories: Sequence[History]) -> FloatArray:
        """Return (B, D) unit rows: heavier and newer events count more; zero without any."""
        rows: FloatArray = np.zeros((len(histories), self.vectors.shape[1]), np.float32)
        for row, history in enumerate(histories):
            recent = history.last(self.history_length)
            mean = event_strengths(recent, self.half_life_days) @ self.vectors[recent.items]
            length = np.linalg.norm(mean)
            rows[row] = mean / length if length > 0 else 0.0
        return rows

    def score(self, histories: Sequence[History]) -> FloatArray:
        """Return cosine + bias."""
        scores: FloatArray = self.profiles(histories) @ self.vectors.T + self.bias
        scores[:, 0] = -np.inf
        return scores.astype(np.float32, copy=False)

    def similar(self, item: int) -> FloatArray:
        """Return the cosine between items."""
        return cosine_to(self.vectors, item)

    def parts(self, history: History, items: IntArray) -> dict[str, FloatArray]:
        """Split into `content` (what the items are like) and `bias` (popularity)."""
        (profile,) = self.profiles([history])
        return {
            "bias": np.asarray(self.bias[items], np.float32),
            "content": np.asarray(self.vectors[items] @ profile, np.float32),
        }

    @property
    def held_out(self) -> None:
        """Return that any item can be scored as new: only its trace of popularity is learned."""
        return

    def cold(self, items: IntArray) -> "ProfileScorer":
        """Return the scorer with nobody having taken these items; what they are like stays."""
        return replace(self, bias=with_rows(self.bias, items, 0.0))


def build(pieces: Pieces) -> Scorer:
    """Return the scorer of checked pieces; reads `half_life_days` and `history_length`."""
    return ProfileScorer(
        vectors=pieces.arrays["vectors"],
        bias=pieces.arrays["item_bias"],
        half_life_days=pieces.number("half_life_days"),
        history_length=int(pieces.number("history_length")),
    )


PROFILE = ScorerKind(name="profile", shapes={"vectors": "M+1, D", "item_bias": "M+1"}, build=build)
