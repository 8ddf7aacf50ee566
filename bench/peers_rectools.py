"""Train RecTools' transformers, for its own number of epochs or for a budget of CPU seconds."""

import copy
import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools.dataset import Dataset
from rectools.models import BERT4RecModel, SASRecModel
from torch import Tensor

from bench.frozen import Ask, Task
from bench.peers import UNKNOWN, validation_ask, validation_ndcg
from bench.work import Learned, ScoresFor, cpu_s
from recommender.ml.interactions import FloatArray, IntArray

KINDS = {"sasrec": SASRecModel, "bert4rec": BERT4RecModel}
ENDLESS = 10_000  # epochs; the budget stops before
LOOKS = 6  # times that validation is looked at within the budget


@dataclass
class Stand:
    """Hold the best state so far."""

    ndcg: float = -1.0
    epoch: int = 0
    state: dict[str, Tensor] | None = None


class Budget(Callback):
    """Stop after so many CPU seconds and keep the state of best validation NDCG@10."""

    def __init__(self, seconds: float) -> None:
        """Take the budget; looking at validation is paid out of it."""
        self.seconds = seconds
        self.began = cpu_s()
        self.next_look = self.began + seconds / LOOKS
        self.epochs = 0
        self.best = Stand()
        self.look: Any = None

    def __deepcopy__(self, memo: dict[int, Any]) -> "Budget":
        """Stay the same object: RecTools copies its trainer before use."""
        return self

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        """Stop in the middle of an epoch when the budget is spent."""
        del args
        trainer.should_stop = cpu_s() - self.began > self.seconds

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        """Look at validation a few times."""
        self.epochs += 1
        if cpu_s() >= self.next_look or trainer.should_stop:
            self.next_look = cpu_s() + self.seconds / LOOKS
            self.judge(module)

    def judge(self, module: Any) -> None:
        """Keep the state when it is the best so far."""
        ndcg = self.look()
        module.train()
        if ndcg > self.best.ndcg:
            state = copy.deepcopy(module.torch_model.state_dict())
            self.best = Stand(ndcg, self.epochs, state)


def train(task: Task, given: Mapping[str, Any]) -> Learned:
    """Train one model; `budget_s` None keeps the library's own settings and epochs."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    seed_everything(given["seed"], verbose=False)
    budget_s = given["budget_s"]
    budget = Budget(budget_s) if budget_s else None
    epochs = {"epochs": ENDLESS} if budget else {}
    model = KINDS[given["kind"]](
        **given["config"], **epochs, get_trainer_func=_trainer_of(budget, given["max_epochs"])
    )
    scores_for = _scores_of(model, task)
    if budget:
        ask, relevant = validation_ask(task, given["seed"])
        budget.look = lambda: validation_ndcg(scores_for, ask, relevant)
    dataset = _dataset(task.train.user, task.train.item, task.train.time)
    began = cpu_s()
    model.fit(dataset)
    spent = cpu_s() - began
    n_epochs = given["max_epochs"]
    if budget:
        n_epochs = budget.epochs
        if budget.best.state is not None:
            model.torch_model.load_state_dict(budget.best.state)
    settings = ", ".join(f"{key} {value}" for key, value in given["config"].items())
    best = f"; epoch {budget.best.epoch} kept" if budget else ""
    return Learned(scores_for, spent, epochs=n_epochs, note=f"{settings or 'defaults'}{best}")


def _trainer_of(budget: Budget | None, max_epochs: int) -> Any:
    def make() -> Trainer:
        return Trainer(
            max_epochs=ENDLESS if budget else max_epochs,
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[budget] if budget else [],
        )

    return make


def _scores_of(model: Any, task: Task) -> ScoresFor:
    """Score by the library's own sessions; without any known item, by popularity."""
    counts = np.bincount(task.train.item, minlength=task.train.n_items + 1)
    popularity = np.where(counts > 0, counts / counts.sum(), UNKNOWN)

    def scores(ask: Ask, cases: IntArray) -> FloatArray:
        out = np.tile(popularity, (len(cases), 1))
        rows = [ask.items[case] for case in cases]
        lengths = np.array([len(row) for row in rows])
        place = np.concatenate([np.arange(n) for n in lengths]) if len(rows) else lengths
        user = np.repeat(np.arange(len(rows)), lengths)
        if not len(user):
            return out
        dataset = _dataset(user, np.concatenate(rows), place)
        prepared = model._custom_transform_dataset_u2i(dataset, np.unique(user), "ignore")
        loader = model.data_preparator.get_dataloader_recommend(prepared, len(rows))
        users, items = model.lightning_model._get_user_item_embeddings(loader, "cpu")
        numbers = model.data_preparator.get_known_item_ids().astype(np.int64)
        skipped = model.data_preparator.n_item_extra_tokens
        known = prepared.user_id_map.external_ids.astype(np.int64)
        found = (users @ items[skipped:].T).detach().numpy()
        out[known] = UNKNOWN
        out[np.ix_(known, numbers)] = found
        return out

    return scores


def _dataset(user: IntArray, item: IntArray, second: IntArray) -> Dataset:
    frame = pd.DataFrame({"user_id": user, "item_id": item, "weight": 1.0})
    frame["datetime"] = pd.to_datetime(second, unit="s")
    return Dataset.construct(frame)
