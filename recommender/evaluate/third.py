"""Judge what a search found, once, on the window that it never saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from recommender.catalog.models import Catalog
from recommender.collect.state import HISTORY_LENGTH
from recommender.evaluate.window import Window, open_window
from recommender.ml import evaluation as ml
from recommender.ml.features import as_of_now
from recommender.ml.interactions import FloatArray
from recommender.ml.scoring import Scorer
from recommender.ml.stats import bootstrap_mean, paired_bootstrap
from recommender.ml.visits import histories_at
from recommender.prepare.services import OpenSnapshot

METRIC = "ndcg@10"
SEED = 1


@dataclass(frozen=True)
class Contest:
    """Two models of one snapshot; the found one is None where nothing beat the defaults."""

    defaults: Scorer
    found: Scorer | None


def judge_on_third_window(
    *, opened: OpenSnapshot, catalog: Catalog, contest: Contest
) -> dict[str, Any]:
    """Return plain numbers: both values and their paired difference, with 95 % intervals.

    Users are judged visit by visit as in `measure`. Without anybody to judge all values are None.
    """
    window = open_window(opened, catalog)
    base = _values(contest.defaults, window, opened)
    found = _values(contest.found, window, opened) if contest.found else None
    return {
        "n_users": window.cases.n_users,
        "defaults": bootstrap_mean(base, SEED).as_dict(),
        "found": None if found is None else bootstrap_mean(found, SEED).as_dict(),
        "difference": None if found is None else paired_bootstrap(found, base, SEED).as_dict(),
    }


def _values(scorer: Scorer, window: Window, opened: OpenSnapshot) -> FloatArray:
    """Return each judged user's NDCG@10, shape (n_users,)."""
    histories = histories_at(
        window.data,
        window.cases,
        features=_features(opened),
        length=HISTORY_LENGTH,
    )
    outcome = ml.evaluate(ml.scores_of(scorer, histories), window.cases, window.setting)
    return outcome.per_user[METRIC]


def _features(opened: OpenSnapshot) -> FloatArray | None:
    """Return user rows as serving sees them; None where the snapshot has no columns."""
    rows = opened.interactions.user_features
    return as_of_now(rows, opened.features) if rows.shape[1] else None
