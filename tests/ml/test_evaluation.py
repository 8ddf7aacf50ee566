"""Evaluation: who is judged, on what, and that a world with a known answer gives it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml import evaluation as ml
from recommender.ml import metrics
from recommender.ml.scorers.popularity import PopularityScorer
from tests.ml.worlds import make_interactions


def setting_of(n_items, **fields):
    defaults = {"share": np.full(n_items + 1, 0.5), "vectors": np.eye(n_items + 1)}
    return ml.Setting(n_items=n_items, **(defaults | fields))


def cases_of(relevant, seen=None, length=None):
    n = len(relevant)
    return ml.Cases(
        users=np.arange(1, n + 1),
        relevant=tuple(np.array(own) for own in relevant),
        seen=tuple(np.array(own, dtype=int) for own in seen or [[]] * n),
        history_length=np.array(length or [0] * n),
    )


def fixed(table):
    """Return a ranker of given scores."""
    return lambda chosen: np.array(table, dtype=np.float32)[chosen]


def test_users_are_judged_on_new_items_only():
    train = make_interactions([(1, 1, 0, 1.0), (2, 2, 1, 1.0)], n_users=3, n_items=4)
    later = make_interactions(
        [(1, 1, 5, 1.0), (1, 3, 6, 1.0), (1, 3, 7, 1.0), (2, 2, 8, 1.0), (3, 4, 9, 1.0)],
        n_users=3,
        n_items=4,
    )
    cases = ml.make_cases(train, later, train)
    assert cases.users.tolist() == [1, 3]  # user 2 only took again what was known
    assert [own.tolist() for own in cases.relevant] == [[3], [4]]
    assert [own.tolist() for own in cases.seen] == [[1], []]
    assert cases.history_length.tolist() == [1, 0]


def test_segments_follow_the_length_of_the_history():
    cases = cases_of([[1]] * 4, length=[0, 4, 5, 50])
    assert {name: cases.segment(name).tolist() for name in ml.SEGMENTS} == {
        "new": [True, True, False, False],
        "light": [False, False, True, False],
        "heavy": [False, False, False, True],
    }


def test_a_known_list_has_the_known_worth():
    # Item 1 is seen; then 3 and 2 are listed. User 1 wants 2 (second), user 2 wants 3 (first).
    scores = [[0, 9, 1, 2], [0, 9, 1, 2]]
    cases = cases_of([[2], [3]], seen=[[1], [1]])
    outcome = ml.evaluate(fixed(scores), cases, setting_of(3))
    assert outcome.lists[:, :3].tolist() == [[3, 2, 0], [3, 2, 0]]
    assert outcome.per_user["ndcg@10"].tolist() == pytest.approx([1 / math.log2(3), 1])
    assert outcome.per_user["mrr"].tolist() == [1 / 2, 1]
    assert outcome.per_user["precision@10"].tolist() == [1 / 10, 1 / 10]
    assert outcome.curves["recall"][:, :2].tolist() == [[0, 1], [1, 1]]


def test_the_reciprocal_rank_looks_beyond_the_list():
    scores = np.zeros((1, 101), dtype=np.float32)
    scores[0, 1:] = np.arange(100, 0, -1)
    outcome = ml.evaluate(fixed(scores), cases_of([[60, 80]]), setting_of(100))
    assert outcome.per_user["mrr"].tolist() == [1 / 60]


@given(st.integers(0, 1000))
def test_the_reciprocal_rank_is_that_of_a_full_sort_also_with_ties(seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, size=(1, 16)).astype(np.float32)
    wanted = rng.choice(np.arange(1, 16), 3, replace=False)
    outcome = ml.evaluate(fixed(scores), cases_of([wanted]), setting_of(15))
    full = sorted(range(1, 16), key=lambda n: (-scores[0, n], n))
    assert outcome.per_user["mrr"][0] == metrics.reciprocal_rank(np.array(full), wanted)


def test_a_perfect_model_scores_1_and_random_far_less():
    rng = np.random.default_rng(1)
    wanted = [rng.choice(np.arange(1, 201), 10, replace=False) for _ in range(300)]
    cases, setting = cases_of(wanted), setting_of(200)
    oracle = np.zeros((300, 201), dtype=np.float32)
    for row, own in zip(oracle, wanted, strict=True):
        row[own] = 1
    best = ml.summarize(ml.evaluate(fixed(oracle), cases, setting), setting)
    chance = ml.summarize(ml.evaluate(ml.random_scores(200, 1), cases, setting), setting)
    assert best["ndcg@10"].value == best["precision@10"].value == best["recall@10"].value == 1
    assert chance["precision@10"].low <= 10 / 200 <= chance["precision@10"].high
    assert chance["coverage@10"].value == 1


def test_batches_change_nothing(monkeypatch):
    cases, setting = cases_of([[1], [2], [3]] * 5), setting_of(30)
    whole = ml.evaluate(ml.random_scores(30, 7), cases, setting)
    monkeypatch.setattr("recommender.ml.evaluation._CELLS", 31 * 2)
    split = ml.evaluate(ml.random_scores(30, 7), cases, setting)
    assert whole.lists.tolist() == split.lists.tolist()
    for name, values in whole.per_user.items():
        np.testing.assert_array_equal(values, split.per_user[name])


def test_a_score_that_is_no_number_is_noticed():
    bad = np.array([[0, 1, np.nan, 2]])
    assert not ml.evaluate(fixed(bad), cases_of([[1]]), setting_of(3)).is_finite
    good = np.array([[np.nan, 1, -np.inf, 2]])  # padding and masked items may be anything
    assert ml.evaluate(fixed(good), cases_of([[1]]), setting_of(3)).is_finite


def test_nobody_to_judge_gives_undefined_figures():
    setting = setting_of(3)
    outcome = ml.evaluate(ml.random_scores(3, 1), cases_of([]), setting)
    summary = ml.summarize(outcome, setting)
    assert all(math.isnan(interval.value) for interval in summary.values())
    assert ml.mean_curves(outcome) == {"precision": [], "recall": [], "ndcg": []}


def test_curves_are_means_over_users():
    scores = [[0, 3, 2, 1], [0, 3, 2, 1]]
    outcome = ml.evaluate(fixed(scores), cases_of([[1], [2]]), setting_of(3))
    curves = ml.mean_curves(outcome)
    assert curves["precision"][:3] == pytest.approx([1 / 2, 1 / 2, 1 / 3])
    assert curves["recall"][:3] == [1 / 2, 1, 1]
    assert len(curves["ndcg"]) == 20


def test_summaries_of_a_segment_hold_its_users_only():
    cases = cases_of([[1], [1]], length=[0, 100])
    outcome = ml.evaluate(fixed([[0, 1, 0], [0, 0, 1]]), cases, setting_of(2))
    new = ml.summarize(outcome, setting_of(2), cases.segment("new"))
    assert (new["mrr"].value, new["mrr"].n) == (1.0, 1)
    assert new["coverage@10"].n == 1


def test_paired_differences_compare_user_by_user():
    cases, setting = cases_of([[1]] * 30), setting_of(2)
    good = ml.evaluate(fixed([[0, 1, 0]] * 30), cases, setting)
    poor = ml.evaluate(fixed([[0, 0, 1]] * 30), cases, setting)
    difference = ml.compare(good, poor, seed=1)["mrr"]
    assert (difference.low, difference.value, difference.high) == (0.5, 0.5, 0.5)


def test_the_jackknife_brackets_coverage():
    rng = np.random.default_rng(2)
    cases, setting = cases_of([[1]] * 60), setting_of(500)
    outcome = ml.evaluate(fixed(rng.random((60, 501))), cases, setting)
    coverage = ml.summarize(outcome, setting)["coverage@10"]
    expected = 1 - (1 - 10 / 500) ** 60
    assert coverage.low < coverage.value < coverage.high
    assert coverage.low <= expected <= coverage.high


def test_popularity_counts_a_user_once_and_fades():
    day = 86_400  # the half-life
    rows = [(1, 1, 0, 1.0), (1, 1, 10, 1.0), (2, 2, day, 1.0), (3, 2, day, 0.5), (3, 2, day, 0.25)]
    scores = ml.decayed_popularity(make_interactions(rows))
    np.testing.assert_allclose(scores, [0, 0.5, 1.5], atol=1e-4)


def test_nothing_is_popular_before_anything_happened():
    assert ml.decayed_popularity(make_interactions([], n_items=2)).tolist() == [0, 0, 0]


def test_the_popularity_baseline_lists_the_same_for_all():
    train = make_interactions([(1, 2, 0, 1.0), (2, 2, 1, 1.0), (2, 1, 2, 1.0)], n_items=3)
    outcome = ml.evaluate(ml.popularity_scores(train), cases_of([[1], [2]]), setting_of(3))
    assert outcome.lists[:, :3].tolist() == [[2, 1, 3]] * 2


def test_a_scorer_in_the_snapshots_numbers_needs_no_mapping():
    scorer = PopularityScorer(np.array([0, 1.0, 3.0]), np.eye(3))
    histories = ml.histories_of(make_interactions([(1, 1, 0, 1.0)], n_items=2), np.array([1]))
    outcome = ml.evaluate(ml.scores_of(scorer, histories), cases_of([[1]]), setting_of(2))
    assert outcome.lists[0, :2].tolist() == [2, 1]


def test_distinct_users_count_likes_not_events():
    rows = [(1, 1, 0, 1.0), (1, 1, 1, 1.0), (2, 1, 2, 1.0), (2, 2, 3, 0.0)]
    assert ml.distinct_users(make_interactions(rows)).tolist() == [0, 2, 0]


def test_histories_hold_positives_in_order_and_an_item_once():
    rows = [
        (1, 1, 0, 1.0, 5.0),
        (1, 2, 1, 0.0, 1.0),
        (1, 3, 2, 0.5, 3.0),
        (1, 1, 3, 0.2, np.nan),
    ]
    (history,) = ml.histories_of(make_interactions(rows), np.array([1]))
    assert history.items.tolist() == [3, 1]  # item 1 at its newest time
    assert history.times.tolist() == [2, 3]
    assert history.weights.tolist() == [0.5, 1.0]  # with its strongest event
    assert history.values.tolist() == [3.0, 5.0]


def test_histories_are_cut_to_what_serving_remembers():
    data = make_interactions([(1, n, n, 1.0) for n in range(1, 6)])
    (history,) = ml.histories_of(data, np.array([1]), length=2)
    assert history.items.tolist() == [4, 5]


def test_items_the_artifact_does_not_know_are_left_out():
    data = make_interactions([(1, 1, 0, 1.0), (1, 2, 1, 1.0), (1, 3, 2, 1.0)])
    (history,) = ml.histories_of(data, np.array([1]), np.array([0, 7, 0, 5]))
    assert history.items.tolist() == [7, 5]


def test_a_user_without_events_has_an_empty_history():
    data = make_interactions([(2, 1, 0, 1.0)], n_users=3)
    assert [len(h.items) for h in ml.histories_of(data, np.array([1, 2, 3]))] == [0, 1, 0]


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), max_size=20))
def test_histories_are_what_a_dictionary_would_hold(pairs):
    data = make_interactions(
        [(u, i, t, 1.0) for t, (u, i) in enumerate(pairs)], n_users=3, n_items=4
    )
    for user, history in zip((1, 2, 3), ml.histories_of(data, np.arange(1, 4)), strict=True):
        latest = {}
        for time, (u, item) in enumerate(pairs):
            if u == user:
                latest.pop(item, None)
                latest[item] = time
        assert history.items.tolist() == list(latest)
        assert history.times.tolist() == list(latest.values())


def test_items_the_model_does_not_know_come_last_but_do_come():
    scorer = PopularityScorer(np.array([0, 5.0, -3.0]), np.eye(3))
    data = make_interactions([(1, 1, 0, 1.0)], n_items=3)
    histories = ml.histories_of(data, np.array([1]))
    ranker = ml.scores_of(scorer, histories, np.array([0, 2, 0, 1]))
    outcome = ml.evaluate(ranker, cases_of([[2]]), setting_of(3))
    assert outcome.lists[0, :3].tolist() == [3, 1, 2]
    assert outcome.per_user["mrr"].tolist() == [1 / 3]
