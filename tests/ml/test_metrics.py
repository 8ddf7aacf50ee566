"""Metrics against fractions worked by hand, against laws, and against ir-measures."""

import math
from fractions import Fraction

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import RR, P, R, Success, nDCG

from recommender.ml import metrics

RANKED = np.array([7, 3, 9, 1, 5])
RELEVANT = np.array([3, 1, 8])
CUT = {
    "precision": metrics.precision_at_k,
    "recall": metrics.recall_at_k,
    "ndcg": metrics.ndcg_at_k,
    "hit": metrics.hit_at_k,
}
WORLDS = st.tuples(
    st.permutations(range(1, 13)),
    st.sets(st.integers(1, 12), min_size=1, max_size=12),
    st.integers(1, 12),
)


@pytest.mark.parametrize(
    ("name", "k", "expected"),
    [
        ("precision", 1, Fraction(0)),
        ("precision", 4, Fraction(2, 4)),
        ("recall", 2, Fraction(1, 3)),
        ("recall", 5, Fraction(2, 3)),
        ("hit", 1, Fraction(0)),
        ("hit", 2, Fraction(1)),
    ],
)
def test_shares_worked_by_hand(name, k, expected):
    assert CUT[name](RANKED, RELEVANT, k) == float(expected)


def test_ndcg_worked_by_hand():
    # Hits at ranks 2 and 4 of three relevant: (1/log2 3 + 1/log2 5) / (1 + 1/log2 3 + 1/2).
    gain = 1 / math.log2(3) + 1 / math.log2(5)
    assert metrics.ndcg_at_k(RANKED, RELEVANT, 4) == pytest.approx(gain / (1.5 + 1 / math.log2(3)))
    # Cut at 2 the ideal list is cut too: (1/log2 3) / (1 + 1/log2 3).
    assert metrics.ndcg_at_k(RANKED, RELEVANT, 2) == pytest.approx(1 / (1 + math.log2(3)))


def test_reciprocal_rank_is_that_of_the_first_hit():
    assert metrics.reciprocal_rank(RANKED, RELEVANT) == 1 / 2
    assert metrics.reciprocal_rank(RANKED, np.array([99])) == 0
    assert metrics.reciprocal_rank(np.array([], dtype=int), RELEVANT) == 0


@pytest.mark.parametrize("name", CUT)
def test_nothing_held_out_cannot_be_judged(name):
    assert math.isnan(CUT[name](RANKED, np.array([], dtype=int), 3))
    assert math.isnan(metrics.reciprocal_rank(RANKED, np.array([], dtype=int)))


@pytest.mark.parametrize("name", CUT)
def test_a_list_shorter_than_k_is_refused(name):
    with pytest.raises(ValueError, match="the list holds 5 items; judging the first 6 needs 6"):
        CUT[name](RANKED, RELEVANT, 6)
    with pytest.raises(ValueError, match="k is 0"):
        CUT[name](RANKED, RELEVANT, 0)


def test_an_unfilled_place_is_never_a_hit():
    assert metrics.precision_at_k(np.array([0, 3]), np.array([0, 3]), 2) == 0.5


@given(WORLDS)
def test_every_share_lies_between_0_and_1(world):
    ranked, relevant, k = (np.array(world[0]), np.array(sorted(world[1])), world[2])
    for metric in CUT.values():
        assert 0 <= metric(ranked, relevant, k) <= 1 + 1e-12
    assert 0 <= metrics.reciprocal_rank(ranked, relevant) <= 1


@given(WORLDS)
def test_a_perfect_list_scores_1(world):
    relevant = np.array(sorted(world[1]))
    rest = np.setdiff1d(np.arange(1, 13), relevant)
    perfect, k = np.concatenate([relevant, rest]), world[2]
    assert metrics.ndcg_at_k(perfect, relevant, k) == pytest.approx(1)
    assert metrics.hit_at_k(perfect, relevant, k) == 1
    assert metrics.recall_at_k(perfect, relevant, len(relevant)) == 1
    assert metrics.precision_at_k(perfect, relevant, len(relevant)) == 1


@given(WORLDS, st.randoms())
def test_the_order_below_k_is_irrelevant(world, random):
    ranked, relevant, k = list(world[0]), np.array(sorted(world[1])), world[2]
    below = ranked[k:]
    random.shuffle(below)
    other = np.array(ranked[:k] + below)
    for metric in CUT.values():
        assert metric(np.array(ranked), relevant, k) == metric(other, relevant, k)


@given(WORLDS)
def test_moving_a_hit_up_never_hurts(world):
    ranked, relevant, k = list(world[0]), sorted(world[1]), world[2]
    place = max(n for n, item in enumerate(ranked) if item in relevant)
    better = np.array([ranked[place], *ranked[:place], *ranked[place + 1 :]])
    for metric in CUT.values():
        before = metric(np.array(ranked), np.array(relevant), k)
        assert metric(better, np.array(relevant), k) >= before - 1e-12


@given(st.lists(WORLDS, max_size=4), st.integers(1, 12))
def test_judging_a_batch_is_judging_each_list(worlds, k):
    ranked = np.array([world[0] for world in worlds], dtype=int).reshape(-1, 12)
    relevant = [np.array(sorted(world[1])) for world in worlds]
    judged = metrics.judge(ranked, relevant, k)
    for row, (own, wanted) in enumerate(zip(ranked, relevant, strict=True)):
        for name, metric in CUT.items():
            expected = [metric(own, wanted, cut) for cut in range(1, k + 1)]
            np.testing.assert_allclose(getattr(judged, name)[row], expected, atol=1e-12)
        first = metrics.reciprocal_rank(own[:k], wanted)
        assert judged.reciprocal_rank[row] == pytest.approx(first)


def test_a_batch_marks_users_without_held_out_items():
    judged = metrics.judge(np.array([[1, 2]]), [np.array([], dtype=int)], 2)
    for name in (*CUT, "reciprocal_rank"):
        assert np.isnan(getattr(judged, name)).all()


def test_lists_and_users_must_match():
    with pytest.raises(ValueError, match="1 lists for 2 users"):
        metrics.judge(np.array([[1, 2]]), [RELEVANT, RELEVANT], 2)


@pytest.mark.parametrize("k", [1, 5, 10])
def test_ir_measures_agrees_to_nine_digits(k):
    rng = np.random.default_rng(3)
    lists = [rng.permutation(np.arange(1, 41))[:20] for _ in range(25)]
    wanted = [rng.choice(np.arange(1, 41), rng.integers(1, 9), replace=False) for _ in lists]
    judged_as = [
        ir_measures.Qrel(str(user), str(item), 1) for user, own in enumerate(wanted) for item in own
    ]
    run = [
        ir_measures.ScoredDoc(str(user), str(item), float(-rank))
        for user, row in enumerate(lists)
        for rank, item in enumerate(row)
    ]
    names = {nDCG @ k: "ndcg", P @ k: "precision", R @ k: "recall", Success @ k: "hit"}
    ours = metrics.judge(np.array(lists), wanted, 20)
    for entry in ir_measures.iter_calc([*names, RR], judged_as, run):
        user = int(entry.query_id)
        if entry.measure == RR:
            value = ours.reciprocal_rank[user]
        else:
            value = getattr(ours, names[entry.measure])[user, k - 1]
        assert value == pytest.approx(entry.value, abs=1e-9), entry


def test_coverage_counts_each_item_once():
    lists = np.array([[1, 2], [2, 3]])
    assert metrics.coverage(lists, 8) == 3 / 8
    assert math.isnan(metrics.coverage(np.zeros((0, 2), int), 0))


def test_a_number_beyond_the_catalog_is_refused():
    with pytest.raises(ValueError, match="a list holds item 9; there are only 8"):
        metrics.coverage(np.array([[9]]), 8)


def test_gini_worked_by_hand():
    assert metrics.gini(np.array([[1, 2, 3, 4]]), 4) == 0
    assert metrics.gini(np.array([[1], [1], [1]]), 4) == 3 / 4  # one item only: (n − 1)/n
    # Exposures 1 and 3: (−1·1 + 1·3)/(2·4).
    assert metrics.gini(np.array([[1], [2], [2], [2]]), 2) == 2 / 8
    assert math.isnan(metrics.gini(np.zeros((1, 2), int), 4))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=40))
def test_gini_is_the_mean_difference_over_twice_the_mean(items):
    counts = np.bincount(items, minlength=10)[1:]
    slow = np.abs(counts[:, None] - counts).mean() / (2 * counts.mean())
    assert metrics.gini(np.array([items]), 9) == pytest.approx(slow)


def test_novelty_is_the_mean_surprise_in_bits():
    share = np.array([1, 1 / 2, 1 / 8, 1 / 4])
    assert metrics.novelty(np.array([1, 2, 3, 0]), share) == (1 + 3 + 2) / 3
    assert math.isnan(metrics.novelty(np.array([0]), share))


def test_an_item_nobody_knows_is_not_infinitely_novel():
    share = metrics.popularity_share(np.array([0.0, 0.0, 7.0]), 7)
    assert share.tolist() == [1 / 8, 1 / 8, 1.0]


def test_diversity_is_the_mean_over_all_pairs():
    vectors = np.array([[0, 0], [1, 0], [0, 1], [-1, 0], [0, 0]], dtype=np.float32)
    # Pairs: 1–2 (1), 1–3 (2), 2–3 (1).
    assert metrics.intra_list_diversity(np.array([1, 2, 3]), vectors) == pytest.approx(4 / 3)
    assert metrics.intra_list_diversity(np.array([1, 1]), vectors) == 0
    assert math.isnan(metrics.intra_list_diversity(np.array([1, 4, 0]), vectors))


@given(st.integers(0, 10_000), st.integers(2, 8))
def test_diversity_is_what_the_pairs_say(seed, n):
    vectors = np.random.default_rng(seed).normal(size=(n + 1, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    items = np.arange(1, n + 1)
    pairs = [1 - vectors[a] @ vectors[b] for a in items for b in items if a < b]
    assert metrics.intra_list_diversity(items, vectors) == pytest.approx(np.mean(pairs))
