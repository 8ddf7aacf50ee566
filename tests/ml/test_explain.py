"""Explanations: the cause named is the cause, and the parts sum to the score."""

import numpy as np
import pytest

from recommender.ml.explain import centered, composition, leave_one_out
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


def test_the_drop_is_what_the_event_gave_beyond_what_it_gave_everything(scorer):
    """Event 1 gives item 2 .5 and item 3 .25, so the average of four items .1875."""
    drops = leave_one_out(scorer, history_of(1, 4), np.array([2, 3, 4]))
    np.testing.assert_allclose(drops, [[0.3125, 0.0625, -0.1875], [0, 0, 0]], atol=1e-6)


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
    made = composition(scorer, history_of(), np.array([1, 2]))
    np.testing.assert_allclose(made["bias"], [-0.15, -0.05], atol=1e-6)  # the mean is .25
    assert made["match"].tolist() == [0, 0]


def test_the_parts_sum_to_the_standing_of_the_item(scorer):
    history, items = history_of(1, 2, 4), np.array([1, 2, 3, 4])
    made = composition(scorer, history, items)
    assert set(made) == {"bias", "match"}
    expected = centered(scorer.score([history]))[0, items]
    np.testing.assert_allclose(sum(made.values()), expected, atol=1e-6)
    assert sum(made.values()).sum() == pytest.approx(0)  # over all items


class Shifting:
    """Give every item a point for each event, and item 1 two for event 9."""

    def score(self, histories):
        rows = [[-np.inf, len(h.items) + 2.0 * (9 in h.items), len(h.items)] for h in histories]
        return np.array(rows, dtype=np.float32)


def test_what_lifts_all_items_alike_explains_none():
    drops = leave_one_out(Shifting(), history_of(9, 5), np.array([1, 2]))
    assert drops.tolist() == [[1, -1], [0, 0]]
