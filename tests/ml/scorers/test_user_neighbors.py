import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.scorers.user_neighbors import UserNeighborScorer, _ranges
from tests.ml.scorers.given import DAY, history

# Person 0 took 1 and 2, person 1 took 1 and 3 (twice as strongly), person 2 took 4.
TABLE = np.array([[0, 1, 1, 0, 0], [0, 2, 0, 2, 0], [0, 0, 0, 0, 1]], float)
BIAS = np.array([0, 1, 2, 3, 4], np.float32) / 1_000


def people(table=TABLE, **changes):
    """Build a scorer that remembers the people of a table."""
    person, items = np.nonzero(table)
    facts = {
        "starts": np.searchsorted(person, np.arange(len(table) + 1)),
        "items": items,
        "weights": table[person, items].astype(np.float32),
        "bias": BIAS,
        "vectors": np.eye(5, dtype=np.float32),
        "n_neighbors": 10,
        "shrinkage": 0.0,
    }
    return UserNeighborScorer(**(facts | changes))


def slow_scores(table, own, k, shrinkage):
    """Compare with everybody, in a table: the obvious way."""
    lengths = np.linalg.norm(own) * np.linalg.norm(table, axis=1)
    likeness = (table @ own) / np.where(lengths + shrinkage > 0, lengths + shrinkage, 1)
    order = sorted(range(len(table)), key=lambda v: (-likeness[v], v))[:k]
    total = sum(likeness[v] for v in order)
    return sum(likeness[v] * table[v] for v in order) / (total or 1)


def test_a_score_is_the_share_of_like_people_who_took_the_item():
    # Both lie at cosine 1/√2: half of either's row.
    scores = people().score([history([1])])
    np.testing.assert_allclose(scores[0, 1:], [1.501, 0.502, 1.003, 0.004], rtol=1e-6)
    assert scores[0, 0] == -np.inf


def test_shrinkage_disbelieves_short_pasts():
    others, likeness = people(shrinkage=1.0).nearest(history([1]))
    assert others.tolist() == [0, 1]
    expected = [1 / (math.sqrt(2) + 1), 2 / (2 * math.sqrt(2) + 1)]
    np.testing.assert_allclose(likeness, expected, rtol=1e-6)


def test_only_the_nearest_count_and_the_lower_number_among_equals():
    others, _ = people(n_neighbors=1).nearest(history([1]))
    assert others.tolist() == [0]
    others, _ = people(n_neighbors=1).nearest(history([1, 3]))
    assert others.tolist() == [1]


def test_newer_events_choose_the_company():
    scorer = people(half_life_days=1.0, n_neighbors=1)
    late_three = history([2, 3], times=[0, 10 * DAY])
    late_two = history([3, 2], times=[0, 10 * DAY])
    assert [scorer.nearest(h)[0].tolist() for h in (late_three, late_two)] == [[1], [0]]
    assert people(history_length=1).nearest(history([4, 2]))[0].tolist() == [0]


def test_histories_without_company_get_the_popular_items():
    table = TABLE.copy()
    table[2] = 0
    scores = people(table).score([history([]), history([4])])
    np.testing.assert_array_equal(scores[:, 1:], [BIAS[1:], BIAS[1:]])


def test_the_parts_sum_to_the_score():
    parts = people().parts(history([1]), np.array([2, 4]))
    np.testing.assert_allclose(
        sum(parts.values()), people().score([history([1])])[0, [2, 4]], rtol=1e-6
    )


def test_an_item_that_nobody_took_any_more_leaves_no_trace():
    table = TABLE.copy()
    table[:, 3] = 0
    without = people(table, bias=BIAS * [1, 1, 1, 0, 1])
    found = people().cold(np.array([3])).score([history([1]), history([2])])
    np.testing.assert_allclose(found, without.score([history([1]), history([2])]), rtol=1e-6)


@given(
    st.integers(0, 10_000),
    st.integers(1, 8),
    st.sampled_from([0.0, 0.5, 20.0]),
    st.lists(st.integers(1, 9), min_size=1, max_size=9, unique=True),
)
def test_scores_are_those_of_comparing_with_everybody(seed, k, shrinkage, items):
    table = np.random.default_rng(seed).integers(0, 3, (7, 10)) * 1.0
    table[:, 0] = 0
    own = np.zeros(10)
    own[items] = 1
    blank = {"bias": np.zeros(10, np.float32), "vectors": np.zeros((10, 1), np.float32)}
    scorer = people(table, n_neighbors=k, shrinkage=shrinkage, **blank)
    found = scorer.score([history(items)])[0, 1:]
    # Rounding may order two equally like people differently: then either list is right.
    if len(set(np.round(slow_likeness(table, own, shrinkage), 9))) == len(table):
        np.testing.assert_allclose(found, slow_scores(table, own, k, shrinkage)[1:], atol=1e-5)


def slow_likeness(table, own, shrinkage):
    """Return everybody's likeness."""
    return (table @ own) / (np.linalg.norm(own) * np.linalg.norm(table, axis=1) + shrinkage + 1e-12)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), max_size=6))
def test_ranges_are_what_counting_gives(pairs):
    starts = np.array([start for start, _ in pairs], np.int64)
    ends = starts + np.array([size for _, size in pairs], np.int64)
    expected = [n for start, size in pairs for n in range(start, start + size)]
    assert _ranges(starts, ends).tolist() == expected
