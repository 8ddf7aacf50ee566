"""Say a verdict in words: English is kept in the row, any other language is made when shown."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any

from django.utils import translation
from django.utils.translation import gettext, gettext_noop

if TYPE_CHECKING:  # gates imports this module to tell its checks
    from recommender.promote.gates import Check
    from recommender.promote.models import Promotion

KEPT = {
    "artifact": gettext_noop("The artifact is whole: a second load gives the same finite scores."),
    "lists": gettext_noop(
        "Lists for %(value)d people are filled and free of repeats; %(high)d of them differ."
    ),
    "refresh": gettext_noop(
        "NDCG@10 differs from the live version by %(value)s (95%% interval %(low)s to %(high)s); "
        "a refresh may lose at most %(loss)s."
    ),
    "champion": gettext_noop(
        "NDCG@10 is above the live version by %(value)s (95%% interval %(low)s to %(high)s)."
    ),
    "popularity": gettext_noop(
        "NDCG@10 is above popularity by %(value)s (95%% interval %(low)s to %(high)s)."
    ),
    "first": gettext_noop(
        "NDCG@10 differs from popularity by %(value)s (95%% interval %(low)s to %(high)s); "
        "as the first version it must only not be shown to be worse."
    ),
    "coverage": gettext_noop(
        "Its lists reach %(share)s of all items; at least %(least)s is asked for."
    ),
    "new_users": gettext_noop(
        "Newcomers, after three events: NDCG@10 differs from the live version by %(value)s "
        "(95%% interval %(low)s to %(high)s, %(n)d people); not shown to lose more than %(loss)s."
    ),
    "new_users_first": gettext_noop(
        "Newcomers, after three events: NDCG@10 differs from popularity by %(value)s "
        "(95%% interval %(low)s to %(high)s, %(n)d people); not shown to lose more than %(loss)s."
    ),
    "new_items": gettext_noop(
        "New items: AUC differs from the live version by %(value)s "
        "(95%% interval %(low)s to %(high)s, %(n)d people); not shown to lose more than %(loss)s."
    ),
    "new_items_first": gettext_noop(
        "New items: AUC differs from popularity by %(value)s "
        "(95%% interval %(low)s to %(high)s, %(n)d people); not shown to lose more than %(loss)s."
    ),
}
BROKEN = {
    "artifact": gettext_noop("The artifact is broken: %(detail)s"),
    "lists": gettext_noop(
        "Lists for %(value)d people: %(low)d are short or repeat an item, %(high)d differ."
    ),
    "refresh": gettext_noop(
        "NDCG@10 differs from the live version by %(value)s (95%% interval %(low)s to %(high)s), "
        "so it may have lost more than the allowed %(loss)s."
    ),
    "champion": gettext_noop(
        "NDCG@10 is not shown to be above the live version: difference %(value)s "
        "(95%% interval %(low)s to %(high)s)."
    ),
    "popularity": gettext_noop(
        "NDCG@10 is not shown to be above popularity: difference %(value)s "
        "(95%% interval %(low)s to %(high)s)."
    ),
    "first": gettext_noop(
        "NDCG@10 is below popularity by %(value)s (95%% interval %(low)s to %(high)s)."
    ),
    "coverage": gettext_noop(
        "Its lists reach only %(share)s of all items; at least %(least)s is asked for."
    ),
    "new_users": gettext_noop(
        "Newcomers, after three events, are served worse than by the live version: NDCG@10 "
        "%(value)s (95%% interval %(low)s to %(high)s, %(n)d people), more than the allowed "
        "%(loss)s."
    ),
    "new_users_first": gettext_noop(
        "Newcomers, after three events, are served worse than by popularity: NDCG@10 "
        "%(value)s (95%% interval %(low)s to %(high)s, %(n)d people), more than the allowed "
        "%(loss)s."
    ),
    "new_items": gettext_noop(
        "New items are placed worse than by the live version: AUC %(value)s "
        "(95%% interval %(low)s to %(high)s, %(n)d people), more than the allowed %(loss)s."
    ),
    "new_items_first": gettext_noop(
        "New items are placed worse than by popularity: AUC %(value)s "
        "(95%% interval %(low)s to %(high)s, %(n)d people), more than the allowed %(loss)s."
    ),
}
NOT_JUDGED = {
    "new_users": gettext_noop(
        "Newcomers, after three events: not judged, n = %(n)d people; %(needed)d are needed."
    ),
    "new_items": gettext_noop("New items: not judged, n = %(n)d people; %(needed)d are needed."),
}
UNMEASURED = gettext_noop("The difference could not be measured: too few users in the window.")
BETTER = gettext_noop("It passed the gate and went live.")
KEPT_BACK = gettext_noop("It was kept back.")


def check_sentence(check: Mapping[str, Any]) -> str:
    """Return one check in the active language."""
    name = check["name"]
    if name not in KEPT:
        return str(check.get("text", ""))
    if name.startswith(tuple(NOT_JUDGED)) and check.get("value") is None:
        text = NOT_JUDGED[name.removesuffix("_first")]
        return gettext(text) % {"n": check.get("n") or 0, "needed": int(check.get("limit") or 0)}
    if "%(low)s" in KEPT[name] and check.get("value") is None:
        return gettext(UNMEASURED)
    table = KEPT if check["passed"] else BROKEN
    return gettext(table[name]) % _numbers(check)


def verdict_sentence(verdict: Mapping[str, Any]) -> str:
    """Return a verdict as kept in a row: the outcome, then what decided it."""
    return _sentence(bool(verdict["is_better"]), verdict["checks"])


def reason_of(decision: "Promotion") -> str:
    """Return why a decision was taken: the gate's reasons in the active language."""
    verdict = decision.evidence.get("verdict")
    return verdict_sentence(verdict) if verdict else decision.reason


def in_english(check: "Check") -> "Check":
    """Return the check with its text."""
    with translation.override("en"):
        return replace(check, text=check_sentence(vars(check)))


def sentence_in_english(is_better: bool, checks: Sequence["Check"]) -> str:
    """Return the sentence that is kept beside the numbers."""
    with translation.override("en"):
        return _sentence(is_better, [vars(check) for check in checks])


def _sentence(is_better: bool, checks: Sequence[Mapping[str, Any]]) -> str:
    """Name what kept it back, or else the comparison that counted most."""
    if not is_better:
        decisive = [check for check in checks if not check["passed"]]
    else:
        compared = ("refresh", "champion", "popularity", "first")
        decisive = [check for check in checks if check["name"] in compared][:1]
    outcome = gettext(BETTER if is_better else KEPT_BACK)
    told = (check_sentence(check) for check in decisive)
    return reduce(_after, told, outcome)


def _after(first: str, then: str) -> str:
    """Join two sentences; Chinese needs no space between them."""
    return gettext("%(first)s %(then)s") % {"first": first, "then": then}


def _numbers(check: Mapping[str, Any]) -> dict[str, Any]:
    value, limit = check.get("value"), check.get("limit")
    if check["name"] == "lists":
        return {name: int(check.get(name) or 0) for name in ("value", "low", "high")}
    return {
        "value": _signed(value),
        "low": _signed(check.get("low")),
        "high": _signed(check.get("high")),
        "loss": f"{abs(limit or 0.0):.4f}",
        "share": _share(value),
        "least": _share(limit),
        "detail": check.get("detail", ""),
        "n": check.get("n") or 0,
    }


def _signed(number: float | None) -> str:
    if number is None or math.isnan(number):
        return "–"
    return f"{number:+.4f}".replace("-", "−")


def _share(number: float | None) -> str:
    return "–" if number is None or math.isnan(number) else f"{100 * number:.1f} %"
