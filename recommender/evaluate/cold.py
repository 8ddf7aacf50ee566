"""Judge a version on what it cannot know: items that nobody had touched, people who just came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from recommender.collect.state import HISTORY_LENGTH
from recommender.evaluate.contender import Contender
from recommender.evaluate.window import SEED, Window
from recommender.ml import new_items, new_users
from recommender.ml.cold import hold_out, without_items
from recommender.ml.evaluation import (
    ScoresFor,
    popularity_scores,
    random_scores,
    scores_of,
)
from recommender.ml.interactions import FloatArray
from recommender.ml.new_items import NewItemCases
from recommender.ml.new_users import FIRST_EVENTS, NewUserCases
from recommender.ml.stats import paired_bootstrap
from recommender.ml.visits import histories_at

CHALLENGER, CHAMPION, POPULARITY = "challenger", "champion", "popularity"
# Each of the four groups is at most a tenth of the visits judged anyway, unless it is small.
SHARE_OF_VISITS, ALWAYS_JUDGED = 0.1, 200

PerUser = Mapping[str, FloatArray]


def measure_cold(
    window: Window, challenger: Contender, champion: Contender | None
) -> dict[str, Any]:
    """Judge new items, and newcomers after 1, 3 and 5 events, beside champion and baselines.

    Costs at most about half of what judging the window itself does.
    """
    most = max(ALWAYS_JUDGED, int(SHARE_OF_VISITS * len(window.cases)))
    return {
        "items": _new_items(window, challenger, champion, most),
        "users": {
            str(n): _new_users(window, challenger, champion, (n, most)) for n in FIRST_EVENTS
        },
    }


def _new_items(
    window: Window, challenger: Contender, champion: Contender | None, most: int
) -> dict[str, Any]:
    """Judge on the items that training held out; a champion, on those that it held out too."""
    sample = hold_out(window.train)
    items = challenger.can_meet_as_new(sample)
    rivals = {CHALLENGER: challenger}
    if champion is not None and len(shared := champion.can_meet_as_new(items)):
        items, rivals = shared, rivals | {CHAMPION: champion}
    touched = np.unique(window.train.item[window.train.weight > 0])
    known = np.setdiff1d(touched, sample)
    found = new_items.make_new_item_cases(window.data, window.cases, items, known, SEED)
    cases = new_items.limited(found, most, SEED)
    ranked: dict[str, ScoresFor] = {
        name: _as_new(rival, window, cases) for name, rival in rivals.items()
    }
    ranked["random"] = random_scores(window.setting.n_items, SEED)
    ranked[POPULARITY] = popularity_scores(without_items(window.train, cases.items))
    judged = {name: new_items.judge_new_items(scores, cases) for name, scores in ranked.items()}
    facts = {"n_users": len(cases), "n_items": len(cases.items), "n_pairs": cases.n_pairs}
    return facts | _report(judged)


def _as_new(contender: Contender, window: Window, cases: NewItemCases) -> ScoresFor:
    """Let a model score as if nobody had touched the items: not in its arrays, nor in histories."""
    scorer = contender.model.scorer.cold(contender.numbers[cases.items])
    readable = contender.numbers.copy()
    readable[cases.items] = 0
    histories = histories_at(
        window.data,
        cases.cases,
        readable,
        features=contender.features,
        length=HISTORY_LENGTH,
    )
    return scores_of(scorer, histories, contender.numbers)


def _new_users(
    window: Window, challenger: Contender, champion: Contender | None, size: tuple[int, int]
) -> dict[str, Any]:
    n, most = size
    found = new_users.make_new_user_cases(window.data, window.since, window.taken, window.hiding, n)
    cases = new_users.limited(found, most, SEED)
    ranked: dict[str, ScoresFor] = {CHALLENGER: _at_the_start(challenger, window, cases)}
    if champion is not None:
        ranked[CHAMPION] = _at_the_start(champion, window, cases)
    ranked["random"] = random_scores(window.setting.n_items, SEED)
    ranked[POPULARITY] = popularity_scores(window.train)
    judged = {
        name: new_users.judge_new_users(scores, cases, window.setting)
        for name, scores in ranked.items()
    }
    return {"n_users": len(cases)} | _report(judged)


def _at_the_start(contender: Contender, window: Window, cases: NewUserCases) -> ScoresFor:
    histories = new_users.beginnings_of(
        window.data, cases, contender.numbers, features=contender.features
    )
    return scores_of(contender.model.scorer, histories, contender.numbers)


def _report(judged: Mapping[str, PerUser]) -> dict[str, Any]:
    """Sum up per-user figures as an evaluation does: metrics, baselines, paired differences."""
    ours = judged[CHALLENGER]
    others = {name: figures for name, figures in judged.items() if name != CHALLENGER}
    paired = {
        metric if name == CHAMPION else f"{metric}:{name}": paired_bootstrap(
            ours[metric], others[name][metric], SEED
        ).as_dict()
        for name in (CHAMPION, POPULARITY)
        if name in others
        for metric in ours
    }
    baselines = {name: _intervals(figures) for name, figures in others.items()}
    return {"metrics": _intervals(ours), "baselines": baselines, "paired": paired}


def _intervals(figures: PerUser) -> dict[str, dict[str, float | int | None]]:
    return {name: one.as_dict() for name, one in new_items.sum_up(figures, SEED).items()}
