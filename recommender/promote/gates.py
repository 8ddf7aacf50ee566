"""The gate: what a new version must show before it goes live. Pure: evidence in, verdict out."""

from collections.abc import Sequence
from dataclasses import dataclass

from recommender.ml.stats import Interval


@dataclass(frozen=True)
class Check:
    """One condition with its numbers; `text` is English, `promote.words` says it in any language."""

    name: str
    passed: bool
    text: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What the gate decided; better means: goes live."""

    is_better: bool
    checks: tuple[Check, ...]
    sentence: str


@dataclass(frozen=True)
class Evidence:
    """Everything the gate looks at. Differences are challenger − other, per user, on one window."""

    model: str
    champion_model: str | None  # None: nothing is live
    artifact_fault: str  # empty: hashes hold, a second load gives the same finite scores
    ndcg: Interval
    against_champion: Interval | None
    against_popularity: Interval | None
    coverage: float
    champion_coverage: float | None
    lists: Sequence[Sequence[int]]  # item numbers for up to 20 users


def decide(evidence: Evidence) -> Verdict:
    """Judge a challenger: it goes live when every check holds."""
    raise NotImplementedError
