"""Read what an evaluation says of newcomers and of new items: a table and two plain sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from recommender.dashboard import words
from recommender.dashboard.queries_models import Figure, Measured, read_figure

BESIDE = ("champion", "popularity", "random")
FEW = 50  # people; below, a line is greyed like a small group of users
_EVENTS, _MAIN, _AUC, _HIT = "3", "ndcg@10", "auc", "hit@10"


@dataclass(frozen=True)
class ColdLine:
    """One figure of one group, beside the live version of that time and the baselines."""

    group: str
    n: int
    metric: str
    figures: Sequence[Figure | None]  # this version, then BESIDE

    @property
    def is_small(self) -> bool:
        """Tell whether too few people stand behind the figures."""
        return self.n < FEW


@dataclass(frozen=True)
class ColdStart:
    """What a version is worth where nothing was known of the person or of the item."""

    lines: Sequence[ColdLine]
    sentences: Sequence[str]


def cold_start(measured: Measured | None) -> ColdStart | None:
    """Read the newest evaluation's part; None when it was made before such figures were."""
    if measured is None or not measured.cold:
        return None
    users, items = measured.cold.get("users") or {}, measured.cold.get("items") or {}
    lines = [
        line
        for n, report in users.items()
        for line in _lines(_after(int(n)), report, (_MAIN, "hit_rate@10"))
    ]
    lines += _lines(_("New items"), items, (_AUC, _HIT))
    return ColdStart(lines, [_of_users(users.get(_EVENTS) or {}), *_of_items(items)])


def _after(n: int) -> str:
    return ngettext("After %(n)d event", "After %(n)d events", n) % {"n": n}


def _lines(group: str, report: Mapping[str, Any], metrics: Sequence[str]) -> list[ColdLine]:
    baselines = report.get("baselines") or {}
    tables = [report.get("metrics") or {}, *(baselines.get(name) or {} for name in BESIDE)]
    n = int(report.get("n_users") or 0)
    return [
        ColdLine(group, n, metric, [read_figure(table.get(metric)) for table in tables])
        for metric in metrics
    ]


def _of_users(report: Mapping[str, Any]) -> str:
    paired = report.get("paired") or {}
    live, popular = (read_figure(paired.get(name)) for name in (_MAIN, f"{_MAIN}:popularity"))
    gap = live or popular
    if gap is None or gap.low is None or gap.high is None:
        return _("Nobody in the window had only just come, so newcomers were not judged.")
    return _(
        "After three events, newcomers' lists are %(verdict)s: NDCG@10 %(gap)s "
        "[%(low)s … %(high)s], n = %(n)s."
    ) % {
        "verdict": _against(gap.low, gap.high, is_live=live is not None),
        "gap": words.signed(gap.value, 3),
        "low": words.signed(gap.low, 3),
        "high": words.signed(gap.high, 3),
        "n": words.number(int(report.get("n_users") or 0)),
    }


def _against(low: float, high: float, *, is_live: bool) -> str:
    if low > 0:
        return _("better than the live version's") if is_live else _("better than popularity's")
    if high < 0:
        return _("worse than the live version's") if is_live else _("worse than popularity's")
    if is_live:
        return _("not to be told apart from the live version's")
    return _("not to be told apart from popularity's")


def _of_items(report: Mapping[str, Any]) -> list[str]:
    if not report.get("n_items"):
        return [_("This version held no items out of training, so new items were not judged.")]
    metrics = report.get("metrics") or {}
    auc, hit = read_figure(metrics.get(_AUC)), read_figure(metrics.get(_HIT))
    told = []
    if auc is None:
        told += [_("Nobody took a held-out item in the window, so new items were not judged.")]
    else:
        told += [
            _("A new item that people took outscores other new ones in %(share)s (chance: 50 %%).")
            % {"share": words.percent(auc.value, 0)}
        ]
    if hit is not None:
        told += [
            _("Among 99 known items it is in the first ten in %(share)s (chance: 10 %%).")
            % {"share": words.percent(hit.value, 0)}
        ]
    return told
