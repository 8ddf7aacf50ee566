"""What is known of a draw: all that a replay, an audit and an estimate need."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recommender.collect.models import Slate
from recommender.ml.policy import Draw, Mixture, draw


@dataclass(frozen=True)
class Drawn:
    """One list as it was drawn. The slate stores these fields; a replay needs nothing else."""

    pool: NDArray[np.int64]  # (C,) item keys, in the order in which the logits name them
    letters: str  # (C,) where each came from; see candidates.SOURCES
    mixture: Mixture = field(repr=False)
    contenders: tuple[str, ...]  # (m,) whose logits they are
    seed: int
    draw: Draw = field(repr=False)  # of all C places; a page shows the first of them
    tau: float
    eps: float  # weight of the uniform contender
    cost: float | None = None  # share of the best list's worth that this one gave up; may be < 0

    @property
    def component(self) -> str:
        """Name the contender that was drawn: for audit, never for training."""
        return self.contenders[self.draw.component]

    @property
    def ids(self) -> NDArray[np.int64]:
        """Return (C,) item keys in the order drawn."""
        return self.pool[self.draw.order]

    @property
    def sources(self) -> str:
        """Return the letters in the order drawn."""
        return "".join(self.letters[place] for place in self.draw.order.tolist())


def replayed(slate: Slate) -> Drawn:
    """Draw a logged list again, bit for bit; the slate must be one with sampler `mix`."""
    pool = np.frombuffer(bytes(slate.candidates), "<i4").astype(np.int64)
    logits = np.frombuffer(bytes(slate.logits), "<f4").reshape(-1, len(pool))
    mixture = Mixture(logits.astype(np.float32), np.array(slate.alphas, np.float64))
    return Drawn(
        pool=pool,
        letters=str(slate.retrieval_sources["by_candidate"]),
        mixture=mixture,
        contenders=tuple(slate.contenders),
        seed=slate.seed,
        draw=draw(mixture, len(pool), slate.seed),
        tau=slate.tau,
        eps=slate.eps,
        cost=slate.cost,
    )
