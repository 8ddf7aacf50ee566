import itertools
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from recommender.ml import blending
from recommender.ml.artifact import load_model, load_weights
from recommender.ml.blending import collect, fit_new_weight
from recommender.ml.models import hybrid
from recommender.ml.models.base import WarmStart
from recommender.ml.models.hybrid import SHARES, USUAL
from recommender.ml.new_items import make_new_item_cases
from recommender.ml.scoring import History
from recommender.ml.split import by_time, time_quantile
from recommender.ml.validation import watch
from tests.ml.planted import planted
from tests.ml.scorers.given import history
from tests.ml.small import context_for, small, trained

DATA = planted(rated=False)
TRAIN, LATER = by_time(DATA, time_quantile(DATA, 0.25))
MEMBERS = ("transitions", "neighbors", "content", "popularity")


@pytest.fixture(scope="module")
def model():
    return trained("hybrid", TRAIN, validation=LATER, epochs=2)


def test_the_weights_are_the_best_that_validation_knows(model):
    scorer = model.scorer()
    opinions = collect(scorer, watch(TRAIN, LATER, 1))
    best = opinions.worth(model.weights)
    for name, share in itertools.product(MEMBERS, SHARES):  # no single change is better
        assert opinions.worth(model.weights | {name: share}) <= best
    assert best >= opinions.worth(dict.fromkeys(MEMBERS, 0.0))
    assert best >= opinions.worth(USUAL)


def test_without_validation_the_usual_weights_stand():
    model = trained("hybrid", TRAIN, epochs=1, member_weight=0.5)
    assert model.weights == {name: 0.5 * share for name, share in USUAL.items()}


def test_a_blend_without_weights_is_the_transformer():
    blended = trained("hybrid", TRAIN, epochs=2, member_weight=0.0).scorer()
    alone = trained("transformer", TRAIN, epochs=2).scorer()
    np.testing.assert_array_equal(blended.score([history([3, 6])]), alone.score([history([3, 6])]))


def test_item_neighbors_stand_in_for_ease_in_a_larger_catalog():
    small_one, large = (
        trained("hybrid", TRAIN, epochs=1, max_items=limit).scorer().members["neighbors"].scorer
        for limit in (30, 29)
    )
    assert (small_one.data < 0).any()  # a regression's weights have both signs
    assert (large.data > 0).all()


def test_what_members_share_is_stored_once_and_the_rest_under_their_names(model, tmp_path):
    manifest = model.export(tmp_path / "v1", context_for(TRAIN))
    assert manifest.members == {
        "transitions": "transitions",
        "neighbors": "transitions",
        "content": "profile",
        "popularity": "popularity",
    }
    names = [entry.name for entry in manifest.files]
    assert [name for name in names if name.endswith("vectors.npy")] == [
        "cold_vectors.npy",
        "item_vectors.npy",
        "vectors.npy",
    ]
    assert "neighbors__indices.npy" in names
    loaded = load_model(tmp_path / "v1").scorer
    weights = {name: member.weight for name, member in loaded.members.items()}
    assert weights == model.weights


def test_each_member_answers_from_the_artifact_as_it_did_in_training(model, tmp_path):
    model.export(tmp_path / "v1", context_for(TRAIN))
    loaded, own = load_model(tmp_path / "v1").scorer, model.scorer()
    for name in MEMBERS:
        again, before = (s.members[name].scorer.score([history([3, 6])]) for s in (loaded, own))
        np.testing.assert_allclose(again, before, atol=1e-5)


def test_parts_name_every_member_that_counts():
    model = trained("hybrid", TRAIN, epochs=1)
    model.weights = dict.fromkeys(MEMBERS, 0.5)
    scorer, items = model.scorer(), np.array([1, 2, 3])
    parts = scorer.parts(history([3, 6]), items)
    assert set(parts) == {"bias", "taste", "content_text", "features", *MEMBERS}
    total = sum(parts.values())
    np.testing.assert_allclose(total, scorer.score([history([3, 6])])[0, items], atol=1e-5)


def test_items_scored_as_new_are_so_in_every_part(model):
    scorer = model.scorer()
    items = scorer.held_out
    assert len(items)
    cold = scorer.cold(items)
    past = [history([3, 6])]
    for name in ("transitions", "neighbors"):
        rows = cold.members[name].scorer.score(past)[0]
        assert (rows[items] == 0).all()  # not even a trace of popularity is left
    np.testing.assert_array_equal(cold.tower.score(past), scorer.tower.cold(items).score(past))
    assert not np.allclose(cold.score(past)[0, items], scorer.score(past)[0, items])


def test_validation_may_give_one_member_more_than_the_tower_has(monkeypatch):
    chosen = []
    monkeypatch.setattr(
        hybrid, "fit_weights", lambda seen, usual, grid: chosen.append(grid) or usual
    )
    trained("hybrid", TRAIN, validation=LATER, epochs=1, member_weight=2.0)
    assert chosen[0] == [2.0 * share for share in SHARES]
    assert max(SHARES) == 1.3


def test_a_warm_start_goes_on_with_the_transformer_of_the_last_hybrid(model, tmp_path):
    context = context_for(TRAIN)
    model.export(tmp_path / "v1", context)
    assert "table.ids" in load_weights(tmp_path / "v1").arrays
    start = WarmStart(tmp_path / "v1", context.item_ids)
    warm = trained("hybrid", TRAIN, start=start, warm_epochs=1)
    assert len(warm.records) == 1
    assert warm.records[0].loss < trained("hybrid", TRAIN, epochs=1).records[0].loss


def test_a_stopped_training_answers_with_the_usual_weights():
    model, asked = small("hybrid"), itertools.count()
    records = list(model.fit(TRAIN, validation=LATER, should_stop=lambda: next(asked) > 5))
    assert len(records) < 15
    assert model.weights == USUAL
    assert np.isfinite(model.scorer().score([History.empty()])[0, 1:]).all()


def test_content_counts_for_new_items_as_much_as_it_orders_them(model):
    scorer, watched = model.scorer(), watch(TRAIN, LATER, 1)
    both = TRAIN.followed_by(LATER)
    fitted = partial(fit_new_weight, scorer, watched, both)
    assert len(scorer.held_out)
    assert fitted(0.7, (0.0, 1.0)) == 0.7  # few took a new item: the usual weight stands


def test_the_weight_for_new_items_follows_what_was_taken(monkeypatch):
    monkeypatch.setattr(blending, "FEWEST_NEW", 1)
    model = trained("hybrid", TRAIN, epochs=1, hold_out_share=0.3)
    scorer, watched = model.scorer(), watch(TRAIN, LATER, 1)

    class Told:
        """Put what each will take first, or last."""

        held_out = None

        def __init__(self, sign):
            self.sign = sign

        def score(self, histories):
            rows = np.zeros((len(histories), TRAIN.n_items + 1), np.float32)
            rows[np.arange(len(histories)), wanted[: len(histories)]] = self.sign
            return rows

        def cold(self, items):
            return self

    cases = make_new_item_cases(
        TRAIN.followed_by(LATER),
        watched.cases,
        scorer.held_out,
        np.arange(1, TRAIN.n_items + 1),
        seed=0,
    )
    wanted = np.array([own[0] for own in cases.cases.relevant])
    for sign, expected in ((1.0, 50.0), (-1.0, 0.0)):
        content = replace(scorer.members["content"], scorer=Told(sign))
        told = replace(scorer, members={**scorer.members, "content": content})
        assert fit_new_weight(told, watched, TRAIN.followed_by(LATER), 0.5, (0.0, 50.0)) == expected
