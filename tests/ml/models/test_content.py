import numpy as np
import pytest

from recommender.ml.interactions import Modality
from recommender.ml.models.content import described
from recommender.ml.topk import top_k
from tests.ml.planted import world
from tests.ml.scorers.given import history
from tests.ml.small import trained

EVENTS = [(1, 1, 0), (2, 2, 1), (3, 2, 2)]


def test_what_all_items_share_tells_none_apart():
    content = np.array([[0, 0, 0], [9, 1, 0], [9, 0, 1], [9, 1, 0]], np.float32)
    data = world(EVENTS, 3, 3, content=content)
    rows = described(data)
    assert rows[1] @ rows[3] == pytest.approx(1)
    assert rows[1] @ rows[2] == pytest.approx(-1)  # plain vectors: 81 / 82


def test_modalities_are_centered_apart_and_a_missing_one_is_silent():
    content = np.array([[0, 0, 0], [1, 0, 5], [-1, 0, 5], [1, 0, 0]], np.float32)
    data = world(EVENTS, 3, 3, content=content)
    both = (Modality("text", 2), Modality("picture", 1))
    rows = described(type(data)(**{**vars(data), "modalities": both}))
    assert rows[3, 2] == 0
    assert rows[1] @ rows[3] > rows[2] @ rows[3]
    np.testing.assert_allclose(np.linalg.norm(rows[1:], axis=1), 1, atol=1e-6)


def test_features_stand_in_where_no_item_has_content():
    features = np.array([[0, 0], [1, 0], [0, 100], [1, 0]], np.float32)
    scorer = trained("content", world(EVENTS, 3, 3, item_features=features)).scorer()
    assert top_k(scorer.score([history([1])])[:, :], 2)[0].tolist() == [1, 3]


def test_with_nothing_known_of_items_the_popular_ones_lead():
    scorer = trained("content", world(EVENTS, 3, 3)).scorer()
    assert top_k(scorer.score([history([1])]), 3)[0].tolist() == [2, 1, 3]


def test_an_item_that_nobody_took_is_found_by_its_content():
    content = np.array([[0, 0], [1, 0], [0, 1], [0.9, 0.1]], np.float32)
    scorer = trained("content", world(EVENTS, 3, 3, content=content)).scorer()
    scores = scorer.score([history([1])])[0]
    assert scores[3] > scores[2]
