"""The contract that every model keeps."""

from dataclasses import fields, replace

import numpy as np
import pytest

from recommender.ml.artifact import load_model
from recommender.ml.cold import without_items
from recommender.ml.evaluation import histories_of
from recommender.ml.models import MODELS
from recommender.ml.models.base import NotFittedError, TrainingError
from recommender.ml.scoring import History
from recommender.ml.split import by_time, time_quantile
from recommender.ml.topk import mask_seen, top_k
from tests.ml.planted import planted, world
from tests.ml.small import NAMES, SMALL, context_for, small, trained

DATA = planted()
TRAIN, LATER = by_time(DATA, time_quantile(DATA, 0.25))


@pytest.fixture(scope="module")
def models():
    """Train each model once for all questions that do not change it."""
    return {name: trained(name, TRAIN, validation=LATER) for name in NAMES}


def hit_rate(scorer):
    """Return the share of the top 3 unseen items that the user took later."""
    users = np.unique(LATER.user)
    scores = scorer.score(histories_of(TRAIN, users))
    seen = [TRAIN.item[TRAIN.user == user] for user in users]
    top = top_k(mask_seen(scores, seen), 3)
    return np.mean(
        [np.isin(top[row], LATER.item[LATER.user == user]).mean() for row, user in enumerate(users)]
    )


class Flat:
    """Stand for popularity, the answer of which is the same for all."""

    def __init__(self, row):
        self.row = row

    def score(self, histories):
        return np.tile(self.row, (len(histories), 1))


@pytest.mark.parametrize("name", NAMES)
def test_a_model_reports_every_epoch_with_its_validation(models, name):
    records = models[name].records
    assert [record.epoch for record in records] == list(range(1, len(records) + 1))
    assert all(record.validation_loss > 0 for record in records)
    assert all(0 <= record.validation <= 1 for record in records)
    assert all(record.examples_per_s > 0 for record in records)


@pytest.mark.parametrize("name", NAMES)
def test_scores_cover_all_items_and_never_item_zero(models, name):
    histories = histories_of(TRAIN, np.array([1, 2, 3]))
    scores = models[name].scorer().score(histories)
    assert scores.shape == (3, DATA.n_items + 1)
    assert scores.dtype == np.float32
    assert np.isneginf(scores[:, 0]).all()
    assert np.isfinite(scores[:, 1:]).all()
    assert 0 not in top_k(scores, DATA.n_items)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_scores_as_one_by_one(models, name):
    scorer = models[name].scorer()
    histories = [*histories_of(TRAIN, np.array([1, 2, 5])), History.empty()]
    alone = np.concatenate([scorer.score([history]) for history in histories])
    np.testing.assert_allclose(scorer.score(histories)[:, 1:], alone[:, 1:], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_user_without_history_gets_a_full_list(models, name):
    scores = models[name].scorer().score([History.empty(), History.empty(3)])
    assert np.isfinite(scores[:, 1:]).all()
    np.testing.assert_array_equal(scores[0], scores[1])


@pytest.mark.parametrize("name", NAMES)
def test_a_history_longer_than_the_model_reads_is_fine(models, name):
    items = np.tile(np.arange(1, DATA.n_items + 1), 10)
    long = History(items, np.ones(300), np.full(300, np.nan), np.arange(300), np.zeros(3))
    assert np.isfinite(models[name].scorer().score([long])[:, 1:]).all()


@pytest.mark.parametrize("name", NAMES)
def test_parts_sum_to_the_score(models, name):
    scorer = models[name].scorer()
    (history,) = histories_of(TRAIN, np.array([4]))
    items = np.array([1, 7, 30])
    parts = scorer.parts(history, items)
    assert "bias" in parts
    np.testing.assert_allclose(sum(parts.values()), scorer.score([history])[0, items], atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_similar_items_leave_out_the_item_and_share_its_group(models, name):
    likeness = models[name].scorer().similar(6)
    assert np.isneginf(likeness[[0, 6]]).all()
    nearest = top_k(likeness, 5)
    assert np.mean(nearest % 3 == 0) >= 0.6


@pytest.mark.parametrize("name", NAMES)
def test_vectors_are_unit_rows(models, name):
    lengths = np.linalg.norm(models[name].scorer().vectors, axis=1)
    assert lengths[0] == 0
    np.testing.assert_allclose(lengths[1:], 1, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_artifact_answers_as_the_model_did(models, name, tmp_path):
    model = models[name]
    manifest = model.export(tmp_path / "v1", context_for(TRAIN, extra={"run": 7}))
    loaded = load_model(tmp_path / "v1", manifest_sha256=manifest.sha256)
    histories = [*histories_of(TRAIN, np.array([1, 9])), History.empty()]
    expected = model.scorer().score(histories)
    np.testing.assert_allclose(loaded.scorer.score(histories), expected, atol=1e-5)
    assert loaded.manifest.model == name
    assert loaded.manifest.extra == {"run": 7}
    assert loaded.item_number(300) == 30
    assert loaded.item_numbers(np.array([10, 15, 0, 9_999])).tolist() == [1, 0, 0, 0]
    assert loaded.user_number(4_800) == 48
    assert loaded.rating is not None


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_scores(name):
    changes = {"epochs": 2} if "epochs" in SMALL[name] else {}
    histories = histories_of(TRAIN, np.array([1, 2]))
    first, second = (trained(name, TRAIN, seed=5, **changes) for _ in range(2))
    np.testing.assert_array_equal(first.scorer().score(histories), second.scorer().score(histories))


# Nothing is drawn by chance.
COUNTED = {"popularity", "content", "user_knn", "item_knn", "ease", "slit"}


@pytest.mark.parametrize("name", sorted(set(NAMES) - COUNTED))
def test_another_seed_gives_other_scores(name):
    histories = histories_of(TRAIN, np.array([1, 2]))
    first, second = (trained(name, TRAIN, seed=seed, epochs=2) for seed in (5, 6))
    assert not np.allclose(first.scorer().score(histories), second.scorer().score(histories))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"popularity"}))
def test_a_personal_model_beats_popularity_and_chance(models, name):
    popularity = hit_rate(models["popularity"].scorer())
    chance = hit_rate(Flat(np.random.default_rng(1).random(DATA.n_items + 1)))
    assert hit_rate(models[name].scorer()) > max(popularity, chance) + 0.15


@pytest.mark.parametrize("name", NAMES)
def test_without_validation_all_epochs_run_and_nothing_is_calibrated(name):
    model = trained(name, TRAIN, **({"epochs": 2} if "epochs" in SMALL[name] else {}))
    assert len(model.records) == (2 if "epochs" in SMALL[name] else 1)
    assert model.records[-1].validation is None
    assert model.rating is None


@pytest.mark.parametrize("name", NAMES)
def test_no_positive_event_is_an_error_that_says_so(name):
    nothing = replace(TRAIN, weight=np.zeros(len(TRAIN)))
    with pytest.raises(TrainingError, match="no positive events"):
        list(small(name).fit(nothing))


@pytest.mark.parametrize("name", NAMES)
def test_the_smallest_possible_data_train(name):
    model = trained(name, world([(1, 1, 0)], n_users=1, n_items=1))
    assert np.isfinite(model.scorer().score([History.empty()])[0, 1])


@pytest.mark.parametrize("name", NAMES)
def test_scoring_before_training_is_refused(name):
    with pytest.raises(NotFittedError, match="run fit first"):
        small(name).scorer()


def test_the_config_of_another_model_is_refused():
    with pytest.raises(TypeError, match="config is TwoTowerConfig; transformer takes"):
        MODELS["transformer"](MODELS["two_tower"].Config())


def test_ids_that_do_not_fit_the_data_are_refused(models, tmp_path):
    context = context_for(TRAIN, item_ids=np.arange(5))
    with pytest.raises(ValueError, match=r"item_ids has shape \(5,\); expected \(31,\)"):
        models["popularity"].export(tmp_path / "v1", context)


CHANGES = {
    "half_life_scale": 0.01,
    "n_neighbors": 3,
    "shrinkage": 50.0,
    "half_life_days": 1.0,
    "history_length": 2,
    "embedding_size": 4,
    "hidden_size": 8,
    "n_blocks": 1,
    "n_heads": 4,
    "dropout": 0.5,
    "id_dropout": 0.9,
    "user_dropout": 0.0,
    "epochs": 1,
    "learning_rate": 0.02,
    "reg": 30.0,
    "alpha": 1.0,
    "batch_size": 40,
    "n_negatives": 2,
    "ppmi_window": 0,
    "horizon": 4,
    "matryoshka": 1.0,
    "popularity_weight": 2.0,
    "member_weight": 0.0,
    "patience": 1,
    "warm_epochs": 1,
    "hold_out_share": 0.3,
    "window": 2,
    "n_horizontal": 4,
    "n_vertical": 1,
    "fade": 0.3,
    "horizon_fade": 0.1,
    "max_items": 12,
    "max_users": 4,
    "row_length": 2,
}
FIELDS = [(name, field.name) for name in NAMES for field in fields(MODELS[name].Config)]


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=lambda value: value)
def test_every_config_field_changes_the_result(name, field, tmp_path):
    base = SMALL[name] | ({"epochs": 3} if "epochs" in SMALL[name] else {})
    if field == "patience":
        base |= {"epochs": 15, "learning_rate": 0.05}  # soon worse again
    start = None
    if field == "warm_epochs":
        start = _artifact(name, base, tmp_path)
    outcomes = []
    for config in (base, base | {field: CHANGES[field]}):
        model = trained(name, TRAIN, validation=LATER, start=start, **config)
        scores = model.scorer().score(histories_of(TRAIN, np.array([1, 2, 3])))
        outcomes.append((len(model.records), scores))
    (n, scores), (n_changed, scores_changed) = outcomes
    assert n != n_changed or not np.allclose(scores[:, 1:], scores_changed[:, 1:], atol=1e-6)


def _artifact(name, config, folder):
    from recommender.ml.models.base import WarmStart

    context = context_for(TRAIN)
    trained(name, TRAIN, **config).export(folder / "start", context)
    return WarmStart(folder / "start", context.item_ids)


@pytest.mark.parametrize("name", NAMES)
def test_what_nobody_touched_is_scored_without_what_was_learned_of_it(models, name):
    """Compare with the artifact's word for it: `held_out`; None means that any item will do."""
    scorer = models[name].scorer()
    items = np.array([4, 9]) if scorer.held_out is None else scorer.held_out
    others = np.setdiff1d(np.arange(1, TRAIN.n_items + 1), items)
    histories = [
        replace(history, items=history.items[keep], weights=history.weights[keep],
                values=history.values[keep], times=history.times[keep],
                kinds=history.kinds[keep])
        for history in histories_of(TRAIN, np.arange(1, 9))
        if len(keep := np.flatnonzero(~np.isin(history.items, items)))
    ]  # fmt: skip
    cold = scorer.cold(items).score(histories)
    assert np.isfinite(cold[:, 1:]).all()
    assert np.isneginf(cold[:, 0]).all()
    whole = scorer.score(histories)
    for row, own in zip(cold[:, others], whole[:, others], strict=True):
        assert np.corrcoef(row, own)[0, 1] > 0.9  # the rest is hardly moved


@pytest.mark.parametrize(
    ("name", "changes"), [("popularity", {}), ("item_knn", {"n_neighbors": 30})]
)
def test_a_model_that_counts_is_the_same_as_one_that_never_saw_the_items(name, changes):
    items, past = np.array([4, 9, 21]), without_items(TRAIN, np.array([4, 9, 21]))
    blind, whole = (trained(name, data, **changes).scorer() for data in (past, TRAIN))
    histories = histories_of(past, np.arange(1, 9))
    np.testing.assert_allclose(
        whole.cold(items).score(histories), blind.score(histories), atol=1e-4
    )
