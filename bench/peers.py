"""Train one peer on a frozen task and write its lists, in the peers' own environment.

Started by `bench/accuracy.py` with the peers' interpreter:
`python -m bench.peers <task folder> <out folder> <options as JSON>`.
"""

import itertools
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from bench.frozen import Ask, Task, load_task
from bench.work import Learned, ScoresFor, cpu_s, finish, is_known, rank, score_candidates
from recommender.ml.interactions import FloatArray, IntArray
from recommender.ml.metrics import judge

TUNED_ON = 2_000  # users of the validation, drawn by the seed
K = 10
N_NEGATIVES = 99  # as the test's
UNKNOWN = -1e30  # behind everything a model knows, yet still in the list

Fit = Callable[[Task, Mapping[str, Any], int], ScoresFor]


@dataclass(frozen=True)
class Peer:
    """Hold how a peer is trained, and the settings that validation picks from."""

    fit: Fit
    grid: Mapping[str, Sequence[Any]]


def main(task_folder: str, out: str, options: str) -> None:
    """Tune, train, rank and write."""
    given = json.loads(options)
    task = load_task(Path(task_folder))
    name = given["model"]
    if "kind" in given:
        from bench import peers_rectools  # torch is loaded for these only

        learned = peers_rectools.train(task, given)
    else:
        learned = tuned(task, _peers()[name], given)
    finish(Path(out), task, learned)


def tuned(task: Task, peer: Peer, given: Mapping[str, Any]) -> Learned:
    """Train with every setting of the grid and keep the one of best validation NDCG@10."""
    ask, relevant = validation_ask(task, given["seed"])
    best, found = -1.0, None
    began = cpu_s()
    for settings in _settings(peer.grid, is_small=given["is_small"]):
        start = cpu_s()
        scores_for = peer.fit(task, settings, given["seed"])
        spent = cpu_s() - start
        ndcg = validation_ndcg(scores_for, ask, relevant)
        if ndcg > best:
            best, found = ndcg, (scores_for, spent, settings)
    if found is None:
        raise ValueError("the grid is empty")
    scores_for, spent, settings = found
    note = ", ".join(f"{key} {value}" for key, value in settings.items())
    n_tried = len(list(_settings(peer.grid, is_small=given["is_small"])))
    return Learned(
        scores_for=scores_for,
        train_cpu_s=spent,
        tuning_cpu_s=cpu_s() - began,
        note=f"{note} (best of {n_tried})",
    )


def validation_ask(task: Task, seed: int) -> tuple[Ask, tuple[IntArray, ...]]:
    """Return what tuning ranks: each user of the validation, from what training knows of them.

    Where the test ranks 99 negatives, so does tuning, drawn from what the user did not take: what
    is best among few random items is not what is best among all.
    """
    mine = _by_user(task.train.user, task.train.item)
    later = _by_user(task.validation.user, task.validation.item)
    fresh = {user: np.setdiff1d(own, mine[user]) for user, own in later.items() if user in mine}
    users = [user for user, own in fresh.items() if len(own)]
    rng = np.random.default_rng(seed)
    if len(users) > TUNED_ON:
        chosen = rng.choice(len(users), TUNED_ON, replace=False)
        users = [users[place] for place in np.sort(chosen)]
    histories = tuple(mine[user] for user in users)
    relevant = tuple(fresh[user] for user in users)
    ask = Ask(
        name="validation",
        text="",
        users=np.array(users, np.int64),
        times=np.zeros(len(users), np.int64),
        known=task.train,
        items=histories,
        seen=histories,
    )
    if all(one.candidates is None for one in task.asks.values()):
        return ask, relevant
    met = np.flatnonzero(is_known(task))
    rows = [
        [wanted[0], *rng.choice(np.setdiff1d(met, [*own, *wanted]), N_NEGATIVES, replace=False)]
        for own, wanted in zip(histories, relevant, strict=True)
    ]
    return replace(ask, candidates=np.array(rows, np.int64)), relevant


def validation_ndcg(scores_for: ScoresFor, ask: Ask, relevant: tuple[IntArray, ...]) -> float:
    """Return NDCG@10 on the validation ask."""
    if ask.candidates is None:
        return float(judge(rank(scores_for, ask), relevant, K).ndcg[:, K - 1].mean())
    scores = score_candidates(scores_for, ask)
    ahead = (scores[:, 1:] >= scores[:, :1]).sum(axis=1)  # a tie does not pay here
    return float(np.where(ahead < K, 1 / np.log2(ahead + 2), 0.0).mean())


def user_items(rows: Sequence[IntArray], n_items: int) -> sparse.csr_matrix:
    """Return (n, M+1) ones where a history holds an item."""
    starts = np.cumsum([0, *(len(row) for row in rows)])
    flat = np.concatenate([np.zeros(0, np.int64), *rows])
    matrix = sparse.csr_matrix(
        (np.ones(len(flat), np.float32), flat, starts), shape=(len(rows), n_items + 1)
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def train_matrix(task: Task) -> sparse.csr_matrix:
    """Return (U+1, M+1) ones where a user took an item in training."""
    shape = (task.train.n_users + 1, task.train.n_items + 1)
    ones = np.ones(len(task.train), np.float32)
    matrix = sparse.csr_matrix((ones, (task.train.user, task.train.item)), shape=shape)
    matrix.data[:] = 1.0
    return matrix


def _of(ask: Ask, cases: IntArray, n_items: int) -> sparse.csr_matrix:
    return user_items([ask.items[case] for case in cases], n_items)


def _als(task: Task, settings: Mapping[str, Any], seed: int) -> ScoresFor:
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(num_threads=1, random_state=seed, **settings)
    model.fit(train_matrix(task), show_progress=False)

    def scores(ask: Ask, cases: IntArray) -> FloatArray:
        rows = _of(ask, cases, task.train.n_items)
        users = model.recalculate_user(np.arange(len(cases)), rows)
        return np.asarray(np.atleast_2d(users) @ model.item_factors.T)

    return scores


def _bpr(task: Task, settings: Mapping[str, Any], seed: int) -> ScoresFor:
    """Fit; a user whom training did not meet is ranked by the items' biases."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(num_threads=1, random_state=seed, **settings)
    matrix = train_matrix(task)
    model.fit(matrix, show_progress=False)
    users = np.array(model.user_factors)
    users[np.diff(matrix.indptr) == 0, :-1] = 0.0  # the last column meets the bias
    users[:, -1] = 1.0
    return lambda ask, cases: np.asarray(users[ask.users[cases]] @ model.item_factors.T)


def _neighbors(name: str) -> Fit:
    def fit(task: Task, settings: Mapping[str, Any], seed: int) -> ScoresFor:
        from implicit import nearest_neighbours

        del seed  # nothing is drawn
        model = getattr(nearest_neighbours, name)(num_threads=1, **settings)
        model.fit(train_matrix(task), show_progress=False)
        likeness = model.similarity.tocsr()
        return lambda ask, cases: np.asarray(
            (_of(ask, cases, task.train.n_items) @ likeness).todense()
        )

    return fit


def _rectools_ease(task: Task, settings: Mapping[str, Any], seed: int) -> ScoresFor:
    import pandas as pd
    from rectools.dataset import Dataset
    from rectools.models import EASEModel

    del seed  # nothing is drawn
    frame = pd.DataFrame(
        {"user_id": task.train.user, "item_id": task.train.item, "weight": 1.0, "datetime": 0}
    )
    frame["datetime"] = pd.to_datetime(task.train.time, unit="s")
    dataset = Dataset.construct(frame)
    model = EASEModel(recommend_n_threads=1, **settings).fit(dataset)
    numbers = dataset.item_id_map.external_ids.astype(np.int64)
    weights = np.zeros((task.train.n_items + 1, task.train.n_items + 1), np.float32)
    weights[np.ix_(numbers, numbers)] = model.weight
    return lambda ask, cases: np.asarray(_of(ask, cases, task.train.n_items) @ weights)


def _lenskit(kind: str) -> Fit:
    def fit(task: Task, settings: Mapping[str, Any], seed: int) -> ScoresFor:
        from bench import peers_lenskit

        return peers_lenskit.fit(kind, task, settings, seed)

    return fit


def _peers() -> dict[str, Peer]:
    return {
        "implicit_als": Peer(
            _als,
            {
                "factors": [32, 64, 128, 256],
                "regularization": [0.01, 1.0],
                "alpha": [0.3, 1.0, 5.0],
                "iterations": [15],
            },
        ),
        "implicit_bpr": Peer(
            _bpr,
            {
                "factors": [64],
                "learning_rate": [0.02, 0.05],
                "regularization": [0.01, 0.03],
                "iterations": [100, 400],
            },
        ),
        "implicit_cosine": Peer(_neighbors("CosineRecommender"), {"K": [20, 50, 100, 200, 500]}),
        "implicit_bm25": Peer(
            _neighbors("BM25Recommender"),
            {"K": [50, 200, 500], "K1": [1.2, 100.0], "B": [0.2, 0.8]},
        ),
        "rectools_ease": Peer(
            _rectools_ease, {"regularization": [30.0, 100.0, 200.0, 400.0, 1000.0, 3000.0]}
        ),
        "lenskit_item_knn": Peer(_lenskit("item_knn"), {"max_nbrs": [20, 50, 100, 200]}),
        "lenskit_als": Peer(
            _lenskit("als"),
            {
                "embedding_size": [32, 64, 128],
                "regularization": [0.01, 0.1],
                "weight": [1.0, 5.0, 20.0],
            },
        ),
        "lenskit_ease": Peer(
            _lenskit("ease"), {"regularization": [30.0, 100.0, 300.0, 1000.0, 3000.0]}
        ),
    }


def _settings(grid: Mapping[str, Sequence[Any]], *, is_small: bool) -> Iterator[dict[str, Any]]:
    """Yield every combination; a quick run takes the first only."""
    combined = (
        dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())
    )
    return itertools.islice(combined, 1) if is_small else combined


def _by_user(user: IntArray, item: IntArray) -> dict[int, IntArray]:
    """Return each user's items in the order of the rows, each once."""
    order = np.argsort(user, kind="stable")
    numbers, starts = np.unique(user[order], return_index=True)
    parts = np.split(item[order], starts[1:])
    return {int(number): _once(part) for number, part in zip(numbers, parts, strict=False)}


def _once(items: IntArray) -> IntArray:
    _, firsts = np.unique(items, return_index=True)
    return items[np.sort(firsts)]


if __name__ == "__main__":
    main(*sys.argv[1:4])
