"""Add other models' opinions to a tower's scores: what the hybrid is exported to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from recommender.ml.interactions import BoolArray, FloatArray, IntArray
from recommender.ml.scorers.kind import Pieces, ScorerKind
from recommender.ml.scorers.tower import TOWERS, build_tower
from recommender.ml.scoring import History, Scorer

WEIGHT, NEW_WEIGHT = "weight", "new_weight"  # of a member, among its numbers


@dataclass(frozen=True)
class Member:
    """Hold one opinion and how much it counts."""

    scorer: Scorer
    weight: float
    new_weight: float = 0.0  # for items that nobody has touched: most opinions know none of them


@dataclass(frozen=True)
class BlendScorer:
    """Add to a tower's scores those of each member, standardized, times its weight.

    The tower reads the order of events, the others who took what, what items are like and what is
    liked by all; they err apart. Standardized means: mean 0 and deviation 1 over a user's items.
    A member that counts takes tells a new item from a disliked one by nothing, so new items have
    weights of their own.
    """

    tower: Scorer
    members: Mapping[str, Member]
    is_new: BoolArray  # (M+1,) items that nobody has touched

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
            weights = self._weights(member)
            if weights.any():
                rows = standardized(member.scorer.score(histories))
                scores[:, 1:] += weights[1:] * rows[:, 1:]
        return scores

    def similar(self, item: int) -> FloatArray:
        """Return the cosine between the tower's item vectors."""
        return self.tower.similar(item)

    def parts(self, history: History, items: IntArray) -> dict[str, FloatArray]:
        """Split into the tower's parts and one part a member; parts of one name are added up."""
        split = self.tower.parts(history, items)
        for name, member in self.members.items():
            weights = self._weights(member)
            if weights.any():
                scores = standardized(member.scorer.score([history]))[0]
                split[name] = split.get(name, 0.0) + (weights * scores)[items]
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
        is_new = self.is_new.copy()
        is_new[items] = True
        return replace(self, tower=self.tower.cold(items), members=members, is_new=is_new)

    def with_weights(self, weights: Mapping[str, float]) -> "BlendScorer":
        """Return the blend with other weights; those for new items stay."""
        members = {name: replace(m, weight=weights[name]) for name, m in self.members.items()}
        return replace(self, members=members)

    def _weights(self, member: Member) -> FloatArray:
        """Return (M+1,) how much the member counts for each item."""
        both = np.array([member.weight, member.new_weight], np.float32)
        return np.asarray(both[self.is_new.astype(np.int64)])


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

    Each member needs the number `weight` besides its own; without `new_weight` it counts for new
    items as for all.
    """
    members = {}
    for name, kind in pieces.members.items():
        own = pieces.under(name)
        weight = own.number(WEIGHT)
        members[name] = Member(kind.build(own), weight, own.numbers.get(NEW_WEIGHT, weight))
    return BlendScorer(build_tower(pieces), members, pieces.arrays["popularity"] <= 0)


BLEND = ScorerKind(
    name="blend",
    shapes=TOWERS.shapes,
    optional=TOWERS.optional,
    raw=TOWERS.raw,
    build=build,
    check=TOWERS.check,
)
