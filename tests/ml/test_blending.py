from dataclasses import replace

import numpy as np
import pytest

from recommender.ml import blending
from recommender.ml.blending import collect, fit_weights
from recommender.ml.evaluation import Cases
from recommender.ml.scorers.blend import BlendScorer, Member
from recommender.ml.scoring import History
from recommender.ml.validation import Watched, judge

N_ITEMS, N_VISITS = 12, 60


class Fixed:
    """Answer with a row per visit; a history is told by its user number."""

    n_items = N_ITEMS

    def __init__(self, rows):
        self.rows = rows.astype(np.float32)
        self.calls = 0

    def score(self, histories):
        self.calls += len(histories)
        return self.rows[[history.user for history in histories]].copy()


def given(**strengths):
    """Build a blend whose members know the wanted item to different degrees, and its visits."""
    rng = np.random.default_rng(5)
    wanted = rng.integers(1, N_ITEMS + 1, N_VISITS)
    truth = np.zeros((N_VISITS, N_ITEMS + 1))
    truth[np.arange(N_VISITS), wanted] = 1.0

    def knowing(share):
        rows = share * truth + rng.standard_normal(truth.shape)
        rows[:, 0] = -np.inf
        return Fixed(rows)

    cases = Cases(
        users=np.arange(1, N_VISITS + 1),
        relevant=tuple(np.array([item]) for item in wanted),
        seen=tuple(np.array([item % N_ITEMS + 1]) for item in wanted),
        history_length=np.zeros(N_VISITS, np.int64),
    )
    histories = [replace(History.empty(), user=at) for at in range(N_VISITS)]
    members = {name: Member(knowing(share), 1.0) for name, share in strengths.items()}
    is_new = np.zeros(N_ITEMS + 1, np.bool_)
    return BlendScorer(knowing(1.0), members, is_new), Watched(cases, histories)


def test_what_knows_gets_weight_and_what_only_guesses_gets_none():
    blend, watched = given(wise=6.0, random=0.0)
    grid = [0.0, 0.5, 1.0, 2.0, 4.0]
    found = fit_weights(collect(blend, watched), {"wise": 0.5, "random": 4.0}, grid)
    assert found["wise"] >= 2.0
    assert found["random"] <= 0.5


def test_a_try_is_worth_what_validation_says_of_that_blend():
    blend, watched = given(one=2.0, two=1.0)
    weights = {"one": 0.5, "two": 0.25}
    gain, nearness = collect(blend, watched).worth(weights)
    loss, ndcg = judge(blend.with_weights(weights).score, watched)
    assert (gain, -nearness) == pytest.approx((ndcg, loss), rel=1e-5)


def test_every_member_scores_each_visit_once_however_many_weights_are_tried():
    blend, watched = given(one=2.0, two=1.0)
    fit_weights(collect(blend, watched), {"one": 0.1, "two": 0.1}, np.linspace(0, 1, 30).tolist())
    assert [m.scorer.calls for m in blend.members.values()] == [N_VISITS, N_VISITS]
    assert blend.tower.calls == N_VISITS


def test_usual_weights_stay_where_nothing_is_better():
    blend, watched = given(one=2.0)
    opinions = collect(blend, watched)
    assert fit_weights(opinions, {"one": 0.7}, []) == {"one": 0.7}
    best = max(np.linspace(0, 5, 26), key=lambda weight: opinions.worth({"one": weight}))
    assert fit_weights(opinions, {"one": best}, [0.0, 5.0]) == {"one": best}


def test_equal_lists_are_told_apart_by_the_loss():
    blend, watched = given(one=50.0)  # every weight from .5 finds the item
    opinions = collect(blend, watched)
    assert opinions.worth({"one": 4.0})[0] == opinions.worth({"one": 8.0})[0] == 1.0
    assert fit_weights(opinions, {"one": 4.0}, [4.0, 8.0]) == {"one": 8.0}


def test_a_large_catalog_is_asked_about_fewer_visits(monkeypatch):
    blend, watched = given(one=2.0)
    monkeypatch.setattr(blending, "MOST_CELLS", 5 * (N_ITEMS + 1))
    opinions = collect(blend, watched)
    assert opinions.tower.shape == (5, N_ITEMS + 1)
    assert opinions.watched.cases.users.tolist() == [1, 15, 30, 45, 60]
