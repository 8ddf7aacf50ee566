import math

import numpy as np

from recommender.ml.scorers.popularity import PopularityScorer
from tests.ml.scorers.given import history


def test_popularity_gives_everybody_the_same_row():
    scorer = PopularityScorer(np.array([0.0, 3.0, 5.0]), np.zeros((3, 1)))
    scores = scorer.score([history([1]), history([])])
    assert scores.tolist() == [[-math.inf, 3.0, 5.0]] * 2
    assert scorer.parts(history([]), np.array([2]))["bias"].tolist() == [5.0]
    assert scorer.n_items == 2


def test_a_new_item_was_taken_by_nobody():
    scorer = PopularityScorer(np.array([0.0, 3.0, 5.0]), np.zeros((3, 1)))
    assert scorer.held_out is None
    assert scorer.cold(np.array([2])).score([history([])])[0, 1:].tolist() == [3.0, 0.0]
    assert scorer.popularity.tolist() == [0.0, 3.0, 5.0]
