"""Add other models' opinions to a tower's scores: what the hybrid is exported to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.scorers.kind import Pieces, ScorerKind
from recommender.ml.scorers.tower import TOWERS, build_tower
from recommender.ml.scoring import History, Scorer

WEIGHT = "weight"  # of a member, among its numbers


@dataclass(frozen=True)
class Member:
    """Hold one opinion and how much it counts."""

    scorer: Scorer
    weight: float


@dataclass(frozen=True)
class BlendScorer:
    """Add to a tower's scores those of each member, standardized, times its weight.

    The tower reads the order of events, the others who took what, what items are like and what is
    liked by all; they err apart. Standardized means: mean 0 and deviation 1 over a user's items.
    """

    tower: Scorer
    members: Mapping[str, Member]

    @property
    def n_items(self) -> int:
        """Return M."""
        return self.tower.n_items

    @property
    def vectors(self) -> FloatArray:
        """Return the tower's item vectors at unit length."""
        return self.tower.vectors

    def score(self, histories: Sequence[History]) -> FloatArray:
        """Return tower + Σ weight · (member − mean) / deviation, over each user's items."""
        scores = self.tower.score(histories)
        for member in self.members.values():
            if member.weight:
                scores[:, 1:] += member.weight * standardized(member.scorer.score(histories))[:, 1:]
        return scores

    def similar(self, item: int) -> FloatArray:
        """Return the cosine between the tower's item vectors."""
        return self.tower.similar(item)

    def parts(self, history: History, items: IntArray) -> dict[str, FloatArray]:
        """Split into the tower's parts and one part a member; parts of one name are added up."""
        split = self.tower.parts(history, items)
        for name, member in self.members.items():
            if member.weight:
                scores = standardized(member.scorer.score([history]))[0]
                split[name] = split.get(name, 0.0) + member.weight * scores[items]
        return split

    @property
    def held_out(self) -> IntArray | None:
        """Return the items that every part can score as new."""
        scorers = [self.tower, *(member.scorer for member in self.members.values())]
        own = [items for scorer in scorers if (items := scorer.held_out) is not None]
        return reduce(np.intersect1d, own) if own else None

    def cold(self, items: IntArray) -> "BlendScorer":
        """Return the blend of parts for which nobody ever touched these items."""
        members = {
            name: replace(member, scorer=member.scorer.cold(items))
            for name, member in self.members.items()
        }
        return replace(self, tower=self.tower.cold(items), members=members)

    def with_weights(self, weights: Mapping[str, float]) -> "BlendScorer":
        """Return the blend with other weights."""
        members = {name: replace(m, weight=weights[name]) for name, m in self.members.items()}
        return replace(self, members=members)


def standardized(scores: FloatArray) -> FloatArray:
    """Return (B, M+1) rows of mean 0 and deviation 1 over the items, zeros where all are alike."""
    own = scores[:, 1:].astype(np.float64)
    differs = np.ptp(own, axis=1, keepdims=True) > 0  # a deviation could be rounding alone
    rows: FloatArray = np.zeros(scores.shape, np.float32)
    mean, deviation = own.mean(axis=1, keepdims=True), own.std(axis=1, keepdims=True)
    np.divide(own - mean, deviation, out=rows[:, 1:], where=differs, casting="same_kind")
    return rows


def build(pieces: Pieces) -> Scorer:
    """Return the scorer of checked pieces: a tower's, and each member's under its name.

    Each member needs the number `weight` besides its own.
    """
    members = {}
    for name, kind in pieces.members.items():
        own = pieces.under(name)
        members[name] = Member(kind.build(own), own.number(WEIGHT))
    return BlendScorer(build_tower(pieces), members)


BLEND = ScorerKind(
    name="blend",
    shapes=TOWERS.shapes,
    optional=TOWERS.optional,
    raw=TOWERS.raw,
    build=build,
    check=TOWERS.check,
)
