"""The tests of explanations: worked worlds, and small trained models of every kind."""

import numpy as np
import pytest

from recommender.ml.artifact import load_model
from recommender.ml.assemble import build_scorer
from recommender.ml.evaluation import histories_of
from recommender.ml.explain import causes
from recommender.ml.faithfulness import agreement, deletion_test, ratio_of_means
from recommender.ml.randomize import randomized
from recommender.ml.scorers.neighbors import NeighborScorer
from recommender.ml.scoring import History
from tests.ml.planted import planted
from tests.ml.small import context_for, trained

NOTHING = np.zeros(0, int)


def history_of(*items):
    n = len(items)
    return History(
        items=np.array(items, dtype=int),
        weights=np.ones(n),
        values=np.full(n, np.nan),
        times=np.arange(n),
        features=np.zeros(0),
    )


@pytest.fixture
def chain():
    """Items 1–3 are the history; 1 carries item 4 (.9), 2 carries item 5 (.5), 3 nothing."""
    return NeighborScorer(
        indptr=np.array([0, 0, 1, 2, 2, 2, 2, 2]),
        indices=np.array([4, 5]),
        data=np.array([0.9, 0.5]),
        bias=np.array([0, 0, 0, 0, 0.05, 0.04, 0.3]),
        vectors=np.eye(7),
    )


def test_places_lost_are_counted_among_what_may_be_shown(chain):
    """Whole: 4 (.95), 5 (.54), 6 (.3). Without 1: 4 falls to third. Without 2: 5 falls to third."""
    found = deletion_test(chain, [history_of(1, 2, 3)], [np.array([1, 2, 3])], k=2)
    assert found.n_items == found.n_cited == 2
    assert found.cited_fall.tolist() == [(2 + 1) / 2]
    # Without 1, item 5 rises by a place; without 2, item 4 stays: (2 + 0 + 0 − 1 + 1 + 0) / 6
    assert found.random_fall.tolist() == [pytest.approx(2 / 6)]
    assert found.cited_flips.tolist() == [1.0]
    assert found.random_flips.tolist() == [pytest.approx(2 / 6)]
    assert found.ratio().value == pytest.approx(4.5)
    assert found.flip_ratio().value == pytest.approx(3)


def test_naming_another_event_than_the_cause_shows(chain):
    def last(drops, score):
        return np.array([2])

    found = deletion_test(chain, [history_of(1, 2, 3)], [np.array([1, 2, 3])], last, k=2)
    assert found.cited_fall.tolist() == [0]
    assert found.ratio().value == 0


def test_people_with_fewer_than_three_events_are_left_out(chain):
    found = deletion_test(chain, [history_of(1, 2)], [NOTHING], k=2)
    assert found.n_items == 0 and len(found.cited_fall) == 0
    assert np.isnan(found.ratio().value)


def test_an_item_that_no_event_carries_counts_as_not_cited(chain):
    found = deletion_test(chain, [history_of(3, 3, 3)], [np.array([1, 2, 3])], k=1)
    assert (found.n_items, found.n_cited) == (1, 0)


def test_a_ratio_above_nothing_is_infinite_not_large():
    assert ratio_of_means(np.ones(3), np.zeros(3), 1).value == np.inf
    found = ratio_of_means(np.array([2.0, 4.0]), np.array([1.0, 1.0]), 1)
    assert (found.value, found.low, found.high, found.n) == (3, 2, 4, 2)


def test_a_cause_carries_its_share_of_the_score():
    drops = np.array([0.05, 0.4, -1.0, 0.1])
    assert causes(drops, 1.0).tolist() == [1, 3]
    assert causes(drops, 1.0, most=1).tolist() == [1]
    assert causes(drops, -10.0).tolist() == []
    assert causes(np.zeros(3), 0.0).tolist() == []
    assert causes(np.zeros(0), 1.0).tolist() == []


@pytest.fixture(scope="module")
def people():
    data = planted(n_users=60, n_items=90)  # long lists, so that places can be lost
    users = np.arange(1, data.n_users + 1)
    return data, histories_of(data, users), [data.item[data.user == user] for user in users]


@pytest.fixture(scope="module", params=["item_knn", "matrix_factorization", "transformer"])
def opened(request, people, tmp_path_factory):
    """Train a small model, write it, and read it back with the files it was made of."""
    folder = tmp_path_factory.mktemp("artifacts") / request.param
    trained(request.param, people[0]).export(folder, context_for(people[0]))
    arrays = {path.stem: np.load(path) for path in folder.glob("*.npy")}
    raw = {path.name: path.read_bytes() for path in folder.glob("*.onnx")}
    return load_model(folder), arrays, raw


def test_removing_what_a_trained_model_cites_costs_three_times_as_much(opened, people):
    _, histories, seen = people
    found = deletion_test(opened[0].scorer, histories, seen, k=5)
    assert found.n_cited > 0
    assert found.ratio().low >= 3


def test_a_model_of_shuffled_weights_gives_other_reasons(opened, people):
    """Adebayo et al. 2018: what survives random weights explained nothing."""
    model, arrays, raw = opened
    _, histories, seen = people
    mixed = [randomized(arrays, raw, seed) for seed in range(4)]
    others = [build_scorer(model.manifest, *each) for each in mixed]
    found = [agreement(model.scorer, other, histories, seen) for other in others]
    assert len(found[0].correlation) > 100
    # That the newest event weighs more is built in, by decay or by the place it is read from: it
    # stays without anything learned, so two models agree more often than strangers.
    assert abs(np.mean([each.correlation.mean() for each in found])) < 0.25
    assert np.mean([each.changed for each in found]) >= 0.6
    itself = agreement(model.scorer, model.scorer, histories, seen)
    assert itself.changed == 0 and itself.correlation.min() > 0.999


def test_shuffling_keeps_shapes_and_keys_and_follows_its_seed(opened):
    _model, arrays, raw = opened
    mixed, graphs = randomized(arrays, raw, seed=1)
    again, _ = randomized(arrays, raw, seed=1)
    assert mixed.keys() == arrays.keys() and graphs.keys() == raw.keys()
    assert mixed["item_ids"].tolist() == arrays["item_ids"].tolist()
    for stem, array in mixed.items():
        assert array.shape == arrays[stem].shape
        np.testing.assert_array_equal(array, again[stem])
    assert all(graphs[name] != raw[name] for name in raw)
    weights = "item_vectors" if "item_vectors" in arrays else "data"
    assert sorted(mixed[weights].ravel()) == sorted(arrays[weights].ravel())
    assert not np.array_equal(mixed[weights], arrays[weights])


def test_the_arrays_of_a_member_are_shuffled_like_any_other():
    arrays = {
        "knn__indptr": np.array([0, 0, 2, 3]),
        "knn__indices": np.array([2, 2, 1]),
        "knn__data": np.array([1.0, 2.0, 3.0]),
        "popularity": np.array([0.0, 3.0, 4.0]),
    }
    mixed, _ = randomized(arrays, {}, seed=2)
    assert sorted(mixed["knn__data"]) == [1, 2, 3]
    assert set(mixed["knn__indices"].tolist()) <= {1, 2}
    assert mixed["popularity"].tolist() == [0, 3, 4]
    assert mixed["knn__indptr"].tolist() == [0, 0, 2, 3]
