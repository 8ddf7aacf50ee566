"""Explanations: the cause named is the cause, and the parts sum to the score."""

import numpy as np
import pytest

from recommender.ml.explain import contributions, leave_one_out
from recommender.ml.scorers.neighbors import NeighborScorer
from recommender.ml.scoring import History

# Likeness of items 1–4: 1 ~ 2 (.5), 1 ~ 3 (.25), 4 alone.
INDPTR = np.array([0, 0, 2, 3, 4, 4])
INDICES, DATA = np.array([2, 3, 1, 1]), np.array([0.5, 0.25, 0.5, 0.25])
BIAS = np.array([0, 0.1, 0.2, 0.3, 0.4])


@pytest.fixture
def scorer():
    return NeighborScorer(INDPTR, INDICES, DATA, BIAS, np.eye(5))


def history_of(*items):
    n = len(items)
    return History(
        items=np.array(items, dtype=int),
        weights=np.ones(n),
        values=np.full(n, np.nan),
        times=np.arange(n),
        features=np.zeros(0),
    )


def test_the_drop_is_what_the_event_gave(scorer):
    drops = leave_one_out(scorer, history_of(1, 4), np.array([2, 3]))
    np.testing.assert_allclose(drops, [[0.5, 0.25], [0, 0]], atol=1e-6)


def test_it_takes_one_batch(scorer):
    calls = []

    class Spy:
        def score(self, histories):
            calls.append(len(histories))
            return scorer.score(histories)

    leave_one_out(Spy(), history_of(1, 2, 4), np.array([3]))
    assert calls == [4]


def test_an_empty_history_has_no_causes(scorer):
    assert leave_one_out(scorer, history_of(), np.array([1, 2])).shape == (0, 2)
    made = contributions(scorer, history_of(), np.array([1, 2]))
    np.testing.assert_allclose(made.total(), BIAS[[1, 2]], atol=1e-6)
    np.testing.assert_allclose(made.profile, 0, atol=1e-6)


def test_everything_sums_to_the_score(scorer):
    history, items = history_of(1, 2, 4), np.array([1, 2, 3, 4])
    made = contributions(scorer, history, items)
    expected = scorer.score([history])[0, items]
    np.testing.assert_allclose(made.total(), expected, atol=1e-6)
    assert made.total().dtype == np.float64
    assert set(made.parts) == {"bias"}


class Joint:
    """Score item 1 with 1 when two events are there, whatever they are: neither alone matters."""

    def score(self, histories):
        scores = [[-np.inf, float(len(h.items) >= 2)] for h in histories]
        return np.array(scores, dtype=np.float32)

    def parts(self, history, items):
        return {"match": self.score([history])[0, items]}


def test_what_events_do_together_is_not_hidden():
    made = contributions(Joint(), history_of(1, 2), np.array([1]))
    assert made.events.tolist() == [[1], [1]]  # each is needed
    assert made.profile.tolist() == [-1]
    assert made.total().tolist() == [1]
