"""Probabilities: a world whose truth is known, pooling, silence, determinism."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from recommender.ml.artifact import ArtifactError, load_model
from recommender.ml.chances import (
    ChanceModel,
    Pairs,
    calibration_error,
    fit_chances,
    fit_pairs,
    reliability,
)
from recommender.ml.split import by_time, time_quantile
from tests.ml.planted import DAY, planted, world
from tests.ml.small import context_for, trained

KINDS = ("like", "click", "purchase")


def test_a_trained_model_carries_its_chances_into_its_artifact_and_back(tmp_path):
    data = replace(planted(n_users=150, n_items=60, n_events=20), kinds=("click",))
    early, late = by_time(data, time_quantile(data, 0.3))
    model = trained("item_knn", early, validation=late)
    assert [each.kind for each in model.chances] == ["click"]
    manifest = model.export(tmp_path / "v1", context_for(data))
    assert load_model(tmp_path / "v1").chances == model.chances
    again = trained("item_knn", early, validation=late)
    assert again.export(tmp_path / "v2", context_for(data)) == manifest
    assert trained("item_knn", early).chances == ()


def test_a_manifest_whose_chances_are_no_models_is_refused(tmp_path):
    data = planted()
    model = trained("popularity", data)
    model.chances = (Broken(),)
    model.export(tmp_path / "v1", context_for(data))
    with pytest.raises(ArtifactError, match="its chances are no models"):
        load_model(tmp_path / "v1")


class Broken:
    def as_dict(self):
        return {"kind": "click", "z": [0.0], "chance": [0.5], "bins": []}


class Known:
    """Score items by numbers drawn once for each user."""

    def __init__(self, n_users, n_items, seed=5):
        self.rows = np.random.default_rng(seed).normal(0, 3, (n_users + 1, n_items + 1)) + 7
        self.rows[:, 0] = -np.inf
        self.n_items = n_items

    def score(self, histories):
        return self.rows[[int(history.items[0]) for history in histories]].astype(np.float32)

    def z(self, user, items):
        row = self.rows[user, 1:]
        return (self.rows[user, items] - row.mean()) / row.std()


def truth(z):
    return expit(-2.5 + 1.2 * z)


def market(n_users=300, n_items=400, seed=1, chance=truth):
    """Everybody comes by once, likes their own item, and clicks each other item by its chance."""
    rng = np.random.default_rng(seed)
    scorer = Known(n_users, n_items)
    early = [(user, user, 5, 1.0, np.nan, 0) for user in range(1, n_users + 1)]
    items = np.arange(n_users + 1, n_items + 1)
    late = []
    for user in range(1, n_users + 1):
        moment = 100 * DAY + int(rng.integers(0, 5 * DAY))
        late.append((user, 1 + user % n_users, moment, 1.0, np.nan, 0))
        clicked = items[rng.random(len(items)) < chance(scorer.z(user, items))]
        late += [(user, int(item), moment + 60, 1.0, np.nan, 1) for item in clicked]
    late.append((1, 1, 110 * DAY, 1.0, np.nan, 0))  # the window's end
    return (
        world(early, n_users, n_items, kinds=KINDS),
        world(late, n_users, n_items, kinds=KINDS),
        scorer,
        items,
    )


def test_a_world_whose_chances_are_known_is_read_right():
    early, late, scorer, items = market()
    (model,) = fit_chances(early, late, scorer, seed=1)
    assert model.kind == "click"
    assert model.window_days == pytest.approx(5, abs=0.1)  # half of what was seen
    # Items that nobody may click (others' own) share the scores: 100 of 400 can be clicked.
    share = len(items) / 400
    z = np.linspace(-1, 2, 7)
    np.testing.assert_allclose(model.predict(z), truth(z) * share, rtol=0.2, atol=0.005)
    assert model.error < 0.01
    assert model.n_listed == 600 * 100  # everybody's two moments: the like, and the clicks


def test_a_curve_of_another_world_is_found_out():
    """The error is measured, not assumed: said twice as often as it happens shows."""
    said = np.linspace(0.1, 0.9, 1000)
    rng = np.random.default_rng(1)
    right = reliability(said, (rng.random(1000) < said).astype(float))
    wrong = reliability(said, (rng.random(1000) < said / 2).astype(float))
    assert calibration_error(right) < 0.05
    assert calibration_error(wrong) > 0.2


def test_the_error_is_the_mean_distance_by_hand():
    bins = ((0.1, 0.2, 3), (0.5, 0.5, 1))
    assert calibration_error(bins) == pytest.approx(3 * 0.1 / 4)
    assert np.isnan(calibration_error(()))
    made = reliability(np.array([0.3, 0.1]), np.array([1.0, 0.0]), n_bins=2)
    assert made == ((0.1, 0.0, 1), (0.3, 1.0, 1))


def test_the_same_seed_gives_the_same_model():
    early, late, scorer, _ = market(n_users=200, n_items=300)
    assert fit_chances(early, late, scorer, seed=3) == fit_chances(early, late, scorer, seed=3)


def test_scores_that_mean_nothing_promise_nothing():
    early, late, scorer, _ = market(chance=lambda z: np.full(len(z), 0.1))
    for model in fit_chances(early, late, scorer, seed=1):
        assert max(model.chance) - min(model.chance) < 0.02


def test_scores_that_mislead_give_no_model():
    early, late, scorer, _ = market(chance=lambda z: truth(-z))
    assert fit_chances(early, late, scorer, seed=1) == ()


def test_too_few_events_of_a_kind_give_no_model():
    early, late, scorer, _ = market(n_users=60, n_items=70, chance=lambda z: truth(z) / 20)
    assert fit_chances(early, late, scorer, seed=1) == ()


def test_events_of_one_second_leave_no_window():
    early, late, scorer, _ = market(n_users=60, n_items=70)
    moment = late.take(np.arange(len(late)) < 1)
    assert fit_chances(early, moment, scorer, seed=1) == ()


def pairs_of(z, taken, weight=None):
    n = len(z)
    return Pairs(
        user=np.arange(n),
        z=np.asarray(z, float),
        weight=np.ones(n) if weight is None else weight,
        is_taken=np.asarray(taken, float),
        is_listed=np.ones(n),
    )


@given(st.integers(0, 10_000), st.floats(-2, 2))
def test_a_higher_score_never_means_a_smaller_chance(seed, slope):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=600)
    model = fit_pairs("click", pairs_of(z, rng.random(600) < expit(slope * z)), 1.0, seed)
    if model is None:
        return
    said = model.predict(np.linspace(-5, 5, 101))
    assert (np.diff(said) >= -1e-12).all()
    assert said.min() >= 0 and said.max() <= 1


def test_a_pair_that_stands_for_many_counts_as_many():
    rng = np.random.default_rng(2)
    z = rng.normal(size=4000)
    taken = rng.random(4000) < expit(z)
    weight = np.where(taken, 1.0, 3.0)  # a third of those not taken was drawn
    model = fit_pairs("click", pairs_of(z, taken, weight), 1.0, 1)
    odds = np.exp(0.0) / 3
    assert model.predict(np.array([0.0]))[0] == pytest.approx(odds / (1 + odds), abs=0.03)


def test_a_model_survives_json_and_refuses_a_curve_that_falls_back():
    rng = np.random.default_rng(2)
    z = rng.normal(size=2000)
    model = fit_pairs("click", pairs_of(z, rng.random(2000) < expit(z)), 1.0, 1)
    plain = json.loads(json.dumps(model.as_dict()))
    assert ChanceModel.from_dict(plain) == model
    with pytest.raises(ValueError, match="no rising curve"):
        ChanceModel.from_dict(plain | {"z": plain["z"][::-1]})
