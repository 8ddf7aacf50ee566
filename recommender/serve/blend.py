"""Score every item for one person: the model, with a popularity prior that fades with evidence."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.ml.ratings import z_scores
from recommender.serve.evidence import Evidence, Known, known_to
from recommender.serve.kept import Kept
from recommender.serve.policy import POLICY
from recommender.serve.registry import Served

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scores:
    """Scores of all items of one version for one person.

    total = (1 − blend) · z(model) + blend · z(popularity), both over the version's own items, so
    that the same version and evidence give the same number whatever the catalog did since.
    """

    served: Served
    known: Known
    blend: float
    total: NDArray[np.float32]  # (M+1,) item 0 is −inf
    model_z: NDArray[np.float32]  # (M+1,)
    mean: float  # of the scorer's own scores
    spread: float  # one unit of model_z in the scorer's own units
    evidence_key: bytes  # the evidence, encoded

    @property
    def per_unit(self) -> float:
        """Return how much of `total` one unit of the scorer's own score makes."""
        return (1.0 - self.blend) / self.spread


_scores: Kept[Scores | None] = Kept(64)


def forget() -> None:
    """Drop what this process remembers."""
    _scores.forget()


def score(served: Served, evidence: Evidence) -> Scores | None:
    """Score all items, or remember; None when the scorer fails, which is logged, never raised."""
    key = (served.key, evidence.encode())
    return _scores.get(key, lambda: _score(served, evidence))


def _score(served: Served, evidence: Evidence) -> Scores | None:
    known = known_to(served.model, evidence)
    try:
        raw = np.asarray(served.model.scorer.score([known.history]), np.float64)  # (1, M+1)
    except Exception:  # runtimes raise classes of their own; lists go on without this model
        log.exception("scorer failed", extra={"model_version": served.label})
        return None
    finite = raw[0, 1:]
    if not np.isfinite(finite).all():
        log.error("scorer gave a number that is not finite", extra={"model_version": served.label})
        return None
    z = z_scores(raw)[0]
    blend = POLICY.blend(evidence.n_positive)
    total = np.full(len(z), -np.inf)
    total[1:] = (1.0 - blend) * z[1:] + blend * served.popularity_z[1:]
    return Scores(
        served=served,
        known=known,
        blend=blend,
        total=total.astype(np.float32),
        model_z=z.astype(np.float32),
        mean=float(finite.mean()) if finite.size else 0.0,
        evidence_key=evidence.encode(),
        spread=float(finite.std()) if finite.size and finite.std() > 0 else 1.0,
    )
