"""Worlds so plain that the right answer is known beforehand."""

from dataclasses import replace

import numpy as np
import pytest

from recommender.ml.artifact import ArtifactError
from recommender.ml.evaluation import histories_of
from recommender.ml.models.base import TrainingError, WarmStart
from recommender.ml.scoring import History
from recommender.ml.topk import mask_seen, top_k
from tests.ml.planted import DAY, planted, world
from tests.ml.small import context_for, trained


def history(items, features=()):
    n = len(items)
    return History(
        np.array(items, np.int64),
        np.ones(n),
        np.full(n, np.nan),
        np.arange(n),
        np.array(features, np.float32),
    )


def circle(n_users=60, n_items=8, length=6, seed=2):
    """Build a world in which item i is always followed by item i + 1, around a circle."""
    starts = np.random.default_rng(seed).integers(0, n_items, n_users)
    events = [
        (user + 1, int((first + step) % n_items) + 1, step)
        for user, first in enumerate(starts)
        for step in range(length)
    ]
    return world(events, n_users, n_items)


def test_popularity_counts_people_not_clicks():
    clicks = [(1, 1, t) for t in range(9)]
    likes = [(user, 2, 5) for user in (1, 2)]
    model = trained("popularity", world(clicks + likes, 2, 2))
    assert model.scorer().score([history([])])[0, 1:].tolist() == [1.0, 2.0]


def test_popularity_halves_after_the_half_life_of_the_event_type():
    events = [(1, 1, 0), (2, 2, 10 * DAY, 1.0, np.nan, 1), (3, 3, 10 * DAY)]
    data = world(events, 3, 3, kinds=("like", "click"), half_life_s=[10.0 * DAY, DAY])
    scores = trained("popularity", data).scorer().score([history([])])
    assert scores[0, 1:].tolist() == [0.5, 1.0, 1.0]


def test_knn_likeness_is_the_shrunk_cosine():
    # Items 1 and 2 share users 1 and 2; item 2 has user 3 too: 2 / (√2 √3 + 1)
    data = world([(1, 1, 0), (2, 1, 0), (1, 2, 0), (2, 2, 0), (3, 2, 0)], 3, 2)
    likeness = trained("item_knn", data, shrinkage=1.0).scorer().similar(1)
    assert likeness[2] == pytest.approx(2 / (np.sqrt(6) + 1))


def test_knn_keeps_the_nearest_only():
    data = planted(rated=False)
    scorer = trained("item_knn", data, n_neighbors=2).scorer()
    wide = trained("item_knn", data, n_neighbors=29).scorer()
    for item in (1, 7, 20):
        kept = np.flatnonzero(scorer.similar(item) > 0)
        assert len(kept) == 2
        assert sorted(kept) == sorted(top_k(wide.similar(item), 2))


def test_a_whole_history_folds_in_to_the_learned_vector():
    data = planted(rated=False)
    data = replace(data, half_life_s=np.array([np.inf]))
    model = trained("matrix_factorization", data)
    users = np.array([1, 5, 48])
    found = model.scorer().user_vectors(histories_of(data, users))
    np.testing.assert_allclose(found, model.users[users], atol=1e-4)


def test_matrix_factorization_lowers_its_loss_every_epoch():
    model = trained("matrix_factorization", planted(), epochs=6)
    losses = [record.loss for record in model.records]
    assert np.all(np.diff(losses) < 0)


def test_the_transformer_learns_what_follows_what():
    data = circle()
    exact = {"horizon": 1, "learning_rate": 5e-3}
    scorer = trained("transformer", data, epochs=40, **exact).scorer()
    pasts = [[first % 8 + 1, (first + 1) % 8 + 1] for first in range(8)]
    scores = mask_seen(
        scorer.score([history(past) for past in pasts]), [np.array(p) for p in pasts]
    )
    expected = [(first + 2) % 8 + 1 for first in range(8)]
    assert np.mean(top_k(scores, 1)[:, 0] == expected) >= 7 / 8


@pytest.mark.parametrize("name", ["item_knn", "matrix_factorization", "two_tower", "transformer"])
def test_one_new_event_moves_the_list_without_retraining(name):
    scorer = trained(name, planted(rated=False)).scorer()
    before, after = scorer.score([history([3, 6]), history([3, 6, 1, 4])])
    of_one, of_zero = np.arange(7, 31, 3), np.arange(9, 31, 3)  # groups, not in the history
    moved_one, moved_zero = after[of_one] - before[of_one], after[of_zero] - before[of_zero]
    assert moved_one.mean() > moved_zero.mean()


@pytest.mark.parametrize("name", ["two_tower", "transformer"])
def test_user_features_alone_can_decide(name):
    """Two kinds of newcomers: those with feature 1 start with item 1, the others with item 2."""
    rng = np.random.default_rng(1)
    kind = rng.integers(0, 2, 81)
    events = [(user, 1 if kind[user] else 2, user) for user in range(1, 81)]
    features = np.stack([kind, 1 - kind], axis=1).astype(np.float32)
    features[0] = 0.5
    data = world(events, 80, 2, user_features=features)
    changes = {"epochs": 20, "learning_rate": 0.02, "batch_size": 20, "n_negatives": 2}
    scorer = trained(name, data, **changes).scorer()
    scores = scorer.score([history([], [1, 0]), history([], [0, 1])])
    assert scores[0, 1] > scores[0, 2]
    assert scores[1, 2] > scores[1, 1]


@pytest.mark.parametrize("name", ["two_tower", "transformer"])
def test_an_item_nobody_took_is_placed_by_its_content(name):
    data = planted(n_events=9, rated=False)
    content = np.zeros((31, 3), np.float32)
    content[np.arange(1, 31), np.arange(1, 31) % 3] = 1.0
    data = replace(data, content=content)
    data = data.take(data.item < 28)  # items 28, 29, 30 are new: one of each group
    scorer = trained(name, data, id_dropout=0.5, epochs=25).scorer()
    users = np.arange(1, 49)
    scores = scorer.score(histories_of(data, users))
    own = 28 + (users % 3 - 28 % 3) % 3
    assert np.mean(scores[:, 28:31].argmax(axis=1) + 28 == own) > 0.8


@pytest.mark.parametrize("name", ["item_knn", "matrix_factorization", "two_tower", "transformer"])
def test_an_events_weight_changes_what_is_learned(name):
    data = planted(rated=False)
    heavy = replace(data, weight=np.where(data.item % 3 == 0, 5.0, 0.2))
    changes = {} if name == "item_knn" else {"epochs": 2}
    histories = [history([1, 2])]
    plain = trained(name, data, **changes).scorer().score(histories)
    weighed = trained(name, heavy, **changes).scorer().score(histories)
    assert not np.allclose(plain[:, 1:], weighed[:, 1:], atol=1e-4)


def test_heavy_events_are_ranked_above_light_ones():
    """Everybody takes item 1 lightly or item 2 heavily, equally often."""
    events = [(user, 1 + user % 2, user, 4.0 if user % 2 else 0.5) for user in range(1, 61)]
    scorer = trained("transformer", world(events, 60, 2), epochs=20).scorer()
    scores = scorer.score([History.empty()])
    assert scores[0, 2] > scores[0, 1]


WARM = ("matrix_factorization", "two_tower", "transformer")


def renumbered(data):
    """Return the same events with items in another order, one of them new."""
    order = np.random.default_rng(4).permutation(data.n_items) + 2  # 1 is new
    to_new = np.concatenate([[0], order])
    content = np.zeros((data.n_items + 2, data.content.shape[1]), np.float32)
    content[to_new[1:]] = data.content[1:]
    features = np.zeros((data.n_items + 2, data.item_features.shape[1]), np.float32)
    features[to_new[1:]] = data.item_features[1:]
    changed = replace(
        data,
        item=to_new[data.item],
        n_items=data.n_items + 1,
        content=content,
        item_features=features,
    )
    item_ids = np.zeros(data.n_items + 2, np.int64)
    item_ids[to_new] = np.arange(data.n_items + 1) * 10
    item_ids[1] = 7_777
    return changed, item_ids


@pytest.mark.parametrize("name", WARM)
def test_a_warm_start_is_ahead_of_a_cold_one_though_items_moved(name, tmp_path):
    data = planted(rated=False)
    trained(name, data).export(tmp_path / "v1", context_for(data))
    moved, item_ids = renumbered(data)
    start = WarmStart(tmp_path / "v1", item_ids)
    field = "epochs" if name == "matrix_factorization" else "warm_epochs"
    warm = trained(name, moved, start=start, **{field: 1})
    cold = trained(name, moved, epochs=1)
    assert len(warm.records) == 1
    assert warm.records[0].loss < cold.records[0].loss
    assert np.isfinite(warm.scorer().score([History.empty()])[0, 1:]).all()


def test_a_warm_start_from_another_model_or_a_broken_one_is_refused(tmp_path):
    data = planted(rated=False)
    trained("matrix_factorization", data, epochs=1).export(tmp_path / "v1", context_for(data))
    start = WarmStart(tmp_path / "v1", np.arange(31) * 10)
    message = "transformer cannot start from a matrix_factorization model"
    with pytest.raises(TrainingError, match=message):
        trained("transformer", data, start=start)
    (tmp_path / "v1" / "weights.safetensors").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"weights\.safetensors: it has 0 bytes"):
        trained("matrix_factorization", data, start=start)
