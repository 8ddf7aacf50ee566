"""Scores from what usually follows."""

import numpy as np
import pytest
from scipy import sparse

from recommender.ml.manifest import ArtifactError
from recommender.ml.scorers.kind import Pieces, check_shapes
from recommender.ml.scorers.transitions import TRANSITIONS, TransitionScorer
from recommender.ml.scoring import History

N_ITEMS, SPANS = 5, 2
RNG = np.random.default_rng(3)
ROWS = RNG.normal(size=(SPANS * (N_ITEMS + 1), N_ITEMS + 1)).astype(np.float32)
ROWS[:, 0] = 0
FADE = 0.5


def arrays(rows=ROWS):
    """Return what an artifact of this kind holds."""
    stored = sparse.csr_matrix(rows)
    return {
        "indptr": stored.indptr.astype(np.int64),
        "indices": stored.indices,
        "data": stored.data,
        "firsts": np.array([0, 1]),
        "fades": np.array([1.0, FADE]),
        "item_bias": np.linspace(0, 0.001, N_ITEMS + 1).astype(np.float32),
        "vectors": np.eye(N_ITEMS + 1, 3, dtype=np.float32),
    }


def pieces(**changes):
    """Return the opened artifact, with some arrays replaced."""
    return Pieces({**arrays(), **changes}, {}, {"history_length": 3}, N_ITEMS, 2)


def history(*items):
    """Return events of strength 1, 2, 3…"""
    n = len(items)
    return History(
        items=np.array(items, np.int64),
        weights=np.arange(1, n + 1).astype(np.float32),
        values=np.full(n, np.nan, np.float32),
        times=np.arange(n),
        features=np.zeros(0, np.float32),
    )


def slow(past):
    """Sum row by row, as the docstring says."""
    total = arrays()["item_bias"].astype(np.float64).copy()
    for distance, place in enumerate(reversed(range(len(past.items)))):
        if distance >= 3:
            break
        span, share = (0, 1.0) if distance == 0 else (1, FADE ** (distance - 1))
        row = ROWS[span * (N_ITEMS + 1) + past.items[place]]
        total += share * past.weights[place] * row
    return total


@pytest.mark.parametrize("items", [(2,), (1, 4), (5, 3, 2), (1, 2, 3, 4, 5)])
def test_scores_are_the_sum_of_rows_by_distance(items):
    scorer = TRANSITIONS.build(pieces())
    scores = scorer.score([history(*items)])[0]
    np.testing.assert_allclose(scores[1:], slow(history(*items))[1:], rtol=1e-5)
    assert np.isneginf(scores[0])


def test_somebody_without_events_gets_the_popular_items():
    scorer = TRANSITIONS.build(pieces())
    np.testing.assert_array_equal(scorer.score([History.empty()])[0, 1:], scorer.bias[1:])


def test_what_is_like_an_item_is_what_follows_it_at_once():
    scorer = TRANSITIONS.build(pieces())
    assert isinstance(scorer, TransitionScorer)
    likeness = scorer.similar(2)
    np.testing.assert_allclose(likeness[[1, 3, 4, 5]], ROWS[2, [1, 3, 4, 5]])
    assert np.isneginf(likeness[[0, 2]]).all()


def test_the_order_of_events_matters():
    scorer = TRANSITIONS.build(pieces())
    one, other = scorer.score([history(1, 2), history(2, 1)])
    assert not np.allclose(one[1:], other[1:])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"firsts": np.array([0, 0])}, "do not rise"),
        ({"firsts": np.array([1, 2])}, "do not rise"),
        ({"firsts": np.array([0]), "fades": np.array([1.0])}, "6 rows"),
        ({"indices": np.full_like(arrays()["indices"], N_ITEMS + 1)}, "outside the items"),
    ],
)
def test_arrays_that_disagree_are_refused(changes, reason):
    broken = pieces(**changes)
    check_shapes(broken, TRANSITIONS.shapes, {})
    with pytest.raises(ArtifactError, match=reason):
        TRANSITIONS.check(broken)
