"""Read the gate's verdict as a page shows it: one sentence and its checks, in any language."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recommender.promote import words as promote_words


@dataclass(frozen=True)
class CheckLine:
    """One condition of the gate."""

    passed: bool
    text: str


@dataclass(frozen=True)
class VerdictLines:
    """What the gate decided and why."""

    is_better: bool
    sentence: str
    checks: tuple[CheckLine, ...]


def verdict_lines(verdict: Mapping[str, Any] | None) -> VerdictLines | None:
    """Read a verdict as kept in a run's row; None before the gate has spoken."""
    if not verdict or "is_better" not in verdict:
        return None
    checks = verdict.get("checks") or []
    lines = tuple(
        CheckLine(bool(check["passed"]), promote_words.check_sentence(check)) for check in checks
    )
    sentence = promote_words.verdict_sentence({**verdict, "checks": checks})
    return VerdictLines(bool(verdict["is_better"]), sentence, lines)
