import math
from dataclasses import replace

import numpy as np
import pytest

from bench import judge
from bench.frozen import Answer, save_task
from bench.protocols import leave_last
from bench.work import Learned, finish, rank, score_candidates
from tests.bench.world import circle


def answer(*relevant):
    rows = tuple(np.array(own) for own in relevant)
    return Answer(np.arange(1, len(rows) + 1), rows)


def frozen(tmp_path):
    made = leave_last(circle())
    save_task(tmp_path / "t", made.task, made.answers)
    return made.task


def next_in_line(ask, cases):
    """Know the world's rule: after n comes n + 1."""
    out = np.zeros((len(cases), 131))
    for row, case in zip(out, cases, strict=True):
        row[ask.items[case][-1] + 1] = 1.0
    return out


def test_a_model_that_knows_the_world_is_judged_perfect(tmp_path):
    task = frozen(tmp_path)
    finish(tmp_path / "run", task, Learned(next_in_line, 1.5, epochs=3))
    found = judge.judge(tmp_path / "t", task.asks["b"], tmp_path / "run" / "lists" / "b.npy")
    values = {name: interval.value for name, interval in found.figures().items()}
    assert values == pytest.approx(
        {"HR@10": 1.0, "NDCG@10": 1.0, "R@10": 1.0, "P@10": 0.1, "MRR": 1.0}
    )


def test_seen_items_are_never_listed_whatever_the_model_scores(tmp_path):
    ask = frozen(tmp_path).asks["b"]
    lists = rank(lambda ask, cases: -np.tile(np.arange(131.0), (len(cases), 1)), ask)
    judge.check_lists(lists, ask)
    assert lists[0, :3].tolist() == [8, 9, 10]  # 1..7 are seen


@pytest.mark.parametrize(
    ("row", "message"), [([9, 9], "repeats an item"), ([9, 3], "holds an item the user has seen")]
)
def test_a_list_that_would_be_judged_too_well_is_refused(tmp_path, row, message):
    ask = frozen(tmp_path).asks["b"]
    with pytest.raises(ValueError, match=message):
        judge.check_lists(np.array([row] * len(ask)), ask)


def test_too_few_lists_are_refused(tmp_path):
    ask = frozen(tmp_path).asks["b"]
    np.save(tmp_path / "lists.npy", np.zeros((2, 100), np.int64))
    with pytest.raises(ValueError, match="holds 2 lists; b asks for 6"):
        judge.judge(tmp_path / "t", ask, tmp_path / "lists.npy")


def test_candidates_are_ranked_by_strict_greater_and_ties_are_counted():
    scores = np.array([[0.5, 0.5, 0.9, 0.1]])
    lists, tied = judge.ranked_candidates(scores, np.array([[3, 5, 7, 9]]), answer([5]))
    assert lists.tolist() == [[7, 5, 3, 9]]
    assert tied == 1 / 3


def test_a_positive_that_stands_among_its_negatives_again_is_harmless():
    scores = np.array([[0.2, 0.2, 0.1, 0.3]])
    lists, tied = judge.ranked_candidates(scores, np.array([[4, 4, 6, 8]]), answer([4]))
    assert lists.tolist() == [[8, 4, 6, 0]]
    assert tied == 0


def test_a_score_that_is_no_number_is_refused(tmp_path):
    made = leave_last(circle())
    ask = replace(made.task.asks["b"], candidates=np.tile(np.arange(1, 11), (6, 1)))
    with pytest.raises(ValueError, match="60 scores of b are NaN"):
        score_candidates(lambda ask, cases: np.full((len(cases), 131), math.nan), ask)


def test_our_metrics_agree_with_ir_measures_and_a_wrong_one_is_noticed(monkeypatch):
    rng = np.random.default_rng(2)
    lists = np.stack([rng.permutation(np.arange(1, 61))[:30] for _ in range(40)])
    wanted = tuple(rng.choice(np.arange(1, 61), rng.integers(1, 20), replace=False) for _ in lists)
    assert judge.oracle_gap(lists, wanted) <= 1e-9
    true_discount = judge.metrics.discount
    monkeypatch.setattr(judge.metrics, "discount", lambda k: true_discount(k) ** 1.01)
    with pytest.raises(ValueError, match="our metrics differ from ir-measures by"):
        judge.oracle_gap(lists, wanted)


def test_area_under_the_curve_counts_a_tie_as_half():
    scores = np.array([[0.9, 0.5, 0.5, 0.1], [0.1, 0.2, 0.3, 0.4]])
    found = judge._areas(scores, np.array([[1, 2, 3, 4]] * 2), answer([2], [1, 2, 3, 4]))
    # Above 0.1, level with one, below 0.9; the second user leaves nothing to compare with.
    assert found.per_user["AUC"][0] == 1.5 / 3
    assert math.isnan(found.per_user["AUC"][1])


def test_a_users_visits_are_averaged_before_users_are():
    two_visits = Answer(np.array([1, 1, 2]), (np.array([1]), np.array([2]), np.array([3])))
    lists = np.array([[1] + [0] * 9, [9] + [0] * 9, [3] + [0] * 9])
    found = judge._judged(lists, two_visits, 0.0)
    assert found.per_user["HR@10"].tolist() == [0.5, 1.0]


def test_the_difference_of_two_models_is_paired_over_users():
    better = judge.Judged({"HR@10": np.ones(50)}, {}, 0.0, 0.0)
    worse = judge.Judged({"HR@10": np.zeros(50)}, {}, 0.0, 0.0)
    ahead = better.ahead_of(worse, "HR@10")
    assert (ahead.value, ahead.low, ahead.high, ahead.n) == (1.0, 1.0, 1.0, 50)
