"""Say how a search goes and what it found, in sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from recommender.dashboard import words
from recommender.dashboard.queries_search import SearchCard

OUTCOMES: dict[str, Promise] = {
    "finished": gettext_lazy("finished"),
    "pruned": gettext_lazy("stopped early"),
    "failed": gettext_lazy("failed"),
}


@dataclass(frozen=True)
class Conclusion:
    """What the third window says: a sentence, and whether it proves the found settings better."""

    sentence: str
    is_better: bool


def trials_text(card: SearchCard) -> str:
    """Write how many trials there are and the best, such as “7 trials · best NDCG@10 0.213”."""
    n = len(card.trials)
    if not n:
        return _("waiting for the first trial")
    text = ngettext("%(n)s trial", "%(n)s trials", n) % {"n": words.number(n)}
    if card.best is None:
        return text
    return text + _(" · best NDCG@10 %(value)s (trial %(number)s)") % {
        "value": words.number(card.best.value, 3),
        "number": card.best.number,
    }


def budget_text(card: SearchCard) -> str:
    """Write how much of the budget is spent, such as 3:20 of 5:00."""
    return _("%(spent)s of %(budget)s") % {
        "spent": words.clock_time(min(card.search.spent_s, card.search.budget_s)),
        "budget": words.clock_time(card.search.budget_s),
    }


def conclusion_of(report: Mapping[str, Any] | None) -> Conclusion | None:
    """Say what the third window says of the found settings; None before the report."""
    if report is None:
        return None
    if not report["n_users"]:
        text = _("Nobody took anything new on the third window: what was found is not proven.")
        return Conclusion(text, False)
    people = ngettext("%(n)s person", "%(n)s people", report["n_users"]) % {
        "n": words.number(report["n_users"])
    }
    default = words.number(report["defaults"]["value"], 3)
    gap = report["difference"]
    if gap is None:
        text = _(
            "Nothing better than the defaults was found. On the third window, over %(people)s, "
            "they score %(default)s."
        )
        return Conclusion(text % {"people": people, "default": default}, False)
    text = _(
        "On the third window, over %(people)s, the found settings score %(found)s against "
        "%(default)s by default: %(gap)s (95 %% interval %(low)s to %(high)s)."
    ) % {
        "people": people,
        "found": words.number(report["found"]["value"], 3),
        "default": default,
        "gap": words.signed(gap["value"], 3),
        "low": words.signed(gap["low"], 3),
        "high": words.signed(gap["high"], 3),
    }
    return Conclusion(f"{text} {_proof(gap)}", gap["low"] > 0)


def _proof(gap: Mapping[str, Any]) -> str:
    if gap["low"] > 0:
        return _("They are better.")
    if gap["high"] < 0:
        return _("They are worse: they fit the validation window by chance.")
    return _("That does not prove them better.")


def status_fields(card: SearchCard) -> dict[str, Any]:
    """Build what the status of a search says otherwise than that of a training."""
    return {
        "epoch_text": trials_text(card),
        "budget_text": budget_text(card),
        "best_epoch": card.best.number if card.best else None,
        "history": card.history,
        "search": {
            "budget_s": card.search.budget_s,
            "spent_s": card.search.spent_s,
            "max_trials": card.search.max_trials,
            "trials": len(card.trials),
            "report": card.search.report,
        },
    }
