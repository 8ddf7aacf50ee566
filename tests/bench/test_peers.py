import itertools

import numpy as np
import pytest

from bench import peers
from bench.peers import Peer, tuned, validation_ask, validation_ndcg
from bench.protocols import leave_last, ncf
from tests.bench.world import circle, with_ncf


def task_with_negatives():
    # Users 1..118 take items up to 125; the negatives only have to exist.
    negatives = np.tile(np.arange(1, 100), (118, 1))
    return ncf(with_ncf(circle(n_users=118), negatives)).task


def next_in_line(ask, cases):
    out = np.zeros((len(cases), 131))
    for row, case in zip(out, cases, strict=True):
        row[ask.items[case][-1] + 1] = 1.0
    return out


def test_tuning_asks_for_the_validation_event_and_never_sees_the_test():
    made = leave_last(circle())
    ask, relevant = validation_ask(made.task, 1)
    assert [own.tolist() for own in relevant] == [[u + 7] for u in range(6)]
    assert ask.items[0].tolist() == [1, 2, 3, 4, 5, 6]
    assert validation_ndcg(next_in_line, ask, relevant) == 1.0


def test_tuning_for_99_negatives_ranks_99_negatives_the_user_never_took():
    task = task_with_negatives()
    ask, relevant = validation_ask(task, 1)
    assert ask.candidates.shape[1] == 100
    for row, own, wanted in zip(ask.candidates, ask.items, relevant, strict=True):
        assert len(np.unique(row)) == 100
        assert not np.isin(row, own).any()
        assert row[0] == wanted[0]
    assert validation_ndcg(next_in_line, ask, relevant) == 1.0


def test_a_setting_that_scores_all_alike_wins_nothing():
    ask, relevant = validation_ask(task_with_negatives(), 1)
    flat = validation_ndcg(lambda ask, cases: np.zeros((len(cases), 131)), ask, relevant)
    assert flat == 0.0


def test_the_setting_of_best_validation_is_kept():
    def fit(task, settings, seed):
        sign = settings["sign"]
        return lambda ask, cases: sign * next_in_line(ask, cases)

    given = {"seed": 1, "is_small": False}
    learned = tuned(leave_last(circle()).task, Peer(fit, {"sign": [-1.0, 1.0, 0.0]}), given)
    assert learned.note == "sign 1.0 (best of 3)"


def test_a_quick_run_tries_one_setting_of_each_peer():
    for peer in peers._peers().values():
        assert len(list(peers._settings(peer.grid, is_small=True))) == 1
        whole = list(peers._settings(peer.grid, is_small=False))
        assert len(whole) == len(list(itertools.product(*peer.grid.values())))


def test_a_history_counts_an_item_once_and_the_padding_never():
    matrix = peers.user_items([np.array([2, 2, 3]), np.zeros(0, np.int64)], 4)
    assert matrix.toarray().tolist() == [[0, 0, 1, 1, 0], [0, 0, 0, 0, 0]]


@pytest.mark.parametrize("users", [1, 3])
def test_no_more_users_are_tuned_on_than_said(monkeypatch, users):
    monkeypatch.setattr(peers, "TUNED_ON", users)
    ask, relevant = validation_ask(leave_last(circle()).task, 1)
    assert len(ask) == len(relevant) == users
