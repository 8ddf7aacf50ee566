"""Train LensKit's scorers; it has its own thread settings, given in the environment."""

import logging
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from lenskit.als import ImplicitMFScorer
from lenskit.data import Dataset, ItemList, RecQuery, from_interactions_df
from lenskit.knn import EASEScorer, ItemKNNScorer
from lenskit.training import TrainingOptions

from bench.frozen import Ask, Task
from bench.work import ScoresFor, is_known
from recommender.ml.interactions import FloatArray, IntArray

UNKNOWN = -1e30


def fit(kind: str, task: Task, settings: Mapping[str, Any], seed: int) -> ScoresFor:
    """Train one scorer on the taken items, without values."""
    logging.disable(logging.INFO)
    scorer = _scorer(kind, settings)
    scorer.train(_dataset(task), TrainingOptions(rng=seed))
    # Only what training met is asked and told: the scorers fail on other numbers.
    is_met = is_known(task)
    numbers = np.flatnonzero(is_met)

    def scores(ask: Ask, cases: IntArray) -> FloatArray:
        out = np.full((len(cases), task.train.n_items + 1), UNKNOWN)
        for row, case in zip(out, cases, strict=True):
            told = ask.items[case]
            history = ItemList(item_ids=told[is_met[told]])
            query = RecQuery(history_items=history)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an empty history is no surprise here
                found = scorer(query, ItemList(item_ids=numbers)).scores()
            row[numbers] = np.nan_to_num(found, nan=UNKNOWN)
        return out

    return scores


def _scorer(kind: str, settings: Mapping[str, Any]) -> Any:
    if kind == "item_knn":
        return ItemKNNScorer(feedback="implicit", **settings)
    if kind == "als":
        return ImplicitMFScorer(epochs=15, **settings)
    return EASEScorer(**settings)


def _dataset(task: Task) -> Dataset:
    frame = pd.DataFrame({"user_id": task.train.user, "item_id": task.train.item})
    return from_interactions_df(frame)
