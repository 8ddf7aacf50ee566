"""The gate: what a new version must show before it goes live. Pure: evidence in, verdict out.

Challenger and champion are judged on the same users of the same later window; a difference counts
only with the bound of its 95 % interval, never with its value alone.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from recommender.ml.stats import Interval
from recommender.promote import words

REFRESH_MARGIN = 0.01  # a refresh of the same model may lose at most 1 % of the champion's NDCG@10
COVERAGE_SHARE = 0.5  # and must reach at least half as many items
BASELINE = "popularity"
COLD_MARGIN = 0.05  # newcomers and new items: not shown to lose more than 5 % of the other's figure
LEAST_COLD = 20  # people behind such a figure; fewer say nothing
LEAST_DIFFERENT = 2  # among 20 people, unless the model gives everybody the same list


@dataclass(frozen=True)
class Check:
    """One condition with its numbers; `text` is English, `promote.words` says it in any tongue."""

    name: str
    passed: bool
    text: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    detail: str = ""
    n: int | None = None  # people judged, where that decides whether the check counts


@dataclass(frozen=True)
class Verdict:
    """What the gate decided; better means: goes live."""

    is_better: bool
    checks: tuple[Check, ...]
    sentence: str

    def as_json(self) -> dict[str, Any]:
        """Return what is kept in the row; `promote.words` reads it."""
        return {
            "is_better": self.is_better,
            "sentence": self.sentence,
            "checks": [asdict(check) for check in self.checks],
        }


@dataclass(frozen=True)
class Beside:
    """A difference to the live version, or to popularity where nothing is live."""

    difference: Interval
    figure: float  # of the other one


@dataclass(frozen=True)
class Evidence:
    """Everything the gate looks at. Differences are challenger − other, per user, on one window."""

    model: str
    champion_model: str | None  # None: nothing is live
    artifact_fault: str  # empty: hashes hold, a second load gives the same finite scores
    champion_ndcg: float | None
    against_champion: Interval | None
    against_popularity: Interval | None
    coverage: float
    champion_coverage: float | None
    lists: Sequence[Sequence[int]]  # item numbers for up to 20 users, 0 = no item
    new_users: Beside | None = None  # NDCG@10 after three events; None: not measured
    new_items: Beside | None = None  # AUC among items that training held out


def decide(evidence: Evidence) -> Verdict:
    """Judge a challenger: it goes live when every check holds."""
    checks = [_artifact(evidence), _lists(evidence)]
    if evidence.champion_model is not None:
        checks += [_champion(evidence), _coverage(evidence)]
    # A popularity model cannot beat itself; it stands in only where nothing better serves.
    if evidence.model != BASELINE or evidence.champion_model not in (None, BASELINE):
        checks.append(_popularity(evidence))
    if evidence.model != BASELINE or evidence.champion_model is not None:
        checks += [_cold("new_users", evidence), _cold("new_items", evidence)]
    told = tuple(words.in_english(check) for check in checks)
    is_better = all(check.passed for check in told)
    return Verdict(is_better, told, words.sentence_in_english(is_better, told))


def _artifact(evidence: Evidence) -> Check:
    return Check("artifact", not evidence.artifact_fault, detail=evidence.artifact_fault)


def _lists(evidence: Evidence) -> Check:
    """Look at the lists that 20 people would get: filled, without repeats, not all the same."""
    lists = [list(items) for items in evidence.lists]
    n_bad = sum(1 for items in lists if 0 in items or len(set(items)) < len(items) or not items)
    n_different = len({tuple(items) for items in lists})
    expects_same = evidence.model == BASELINE or len(lists) < LEAST_DIFFERENT
    passed = bool(lists) and n_bad == 0 and (expects_same or n_different >= LEAST_DIFFERENT)
    return Check(
        "lists", passed, value=float(len(lists)), low=float(n_bad), high=float(n_different)
    )


def _champion(evidence: Evidence) -> Check:
    """Compare with the live version: a refresh may lose a little, another model must gain."""
    is_refresh = evidence.model == evidence.champion_model
    limit = -REFRESH_MARGIN * (evidence.champion_ndcg or 0.0) if is_refresh else 0.0
    name = "refresh" if is_refresh else "champion"
    return _bounded(name, evidence.against_champion, limit)


def _popularity(evidence: Evidence) -> Check:
    """Compare with plain popularity.

    Where nothing is live, popularity serves already: then it is enough not to be shown worse.
    """
    difference = evidence.against_popularity
    if evidence.champion_model is None and difference is not None:
        passed = difference.high >= 0.0
        return _difference("first", passed, difference, 0.0)
    return _bounded("popularity", difference, 0.0)


def _cold(name: str, evidence: Evidence) -> Check:
    """Guard those whom averages hide: block what is credibly worse, whoever gains elsewhere.

    A guard, not a proof of gain: newcomers are few, so the whole interval must lie below the
    margin, and too few people are said to be too few instead of being guessed about.
    """
    found: Beside | None = getattr(evidence, name)
    told = name if evidence.champion_model is not None else f"{name}_first"
    n = found.difference.n if found else 0
    if found is None or n < LEAST_COLD:
        return Check(told, True, limit=float(LEAST_COLD), n=n)
    limit = -COLD_MARGIN * found.figure
    passed = not found.difference.high < limit
    return replace(_difference(told, passed, found.difference, limit), n=n)


def _bounded(name: str, difference: Interval | None, limit: float) -> Check:
    # NaN compares as false: what could not be measured is not shown. A refresh that changes no
    # list at all has a difference of exactly 0 and is let through by its margin below 0.
    passed = difference is not None and difference.low > limit
    return _difference(name, passed, difference, limit)


def _difference(name: str, passed: bool, difference: Interval | None, limit: float) -> Check:
    if difference is None:
        return Check(name, passed, limit=limit)
    numbers = difference.as_dict()
    return Check(
        name,
        passed,
        value=numbers["value"],
        low=numbers["low"],
        high=numbers["high"],
        limit=limit,
    )


def _coverage(evidence: Evidence) -> Check:
    limit = COVERAGE_SHARE * (evidence.champion_coverage or 0.0)
    return Check("coverage", evidence.coverage >= limit, value=evidence.coverage, limit=limit)
