import time

import numpy as np
import pytest
import torch

from recommender.ml.artifact import load_model
from recommender.ml.evaluation import histories_of
from recommender.ml.models import MODELS
from recommender.ml.scoring import History
from tests.ml.planted import planted, world
from tests.ml.small import context_for, trained

DATA = planted(n_events=12)
TOWERS = ("two_tower", "transformer")


@pytest.mark.parametrize("name", TOWERS)
def test_the_exported_tower_scores_as_torch_does(name, tmp_path):
    model = trained(name, DATA, epochs=3)
    model.export(tmp_path / "v1", context_for(DATA))
    scorer = load_model(tmp_path / "v1").scorer
    users = histories_of(DATA, np.arange(1, 40))
    for batch in (users, users[:1], [History.empty()], [user.last(1) for user in users[:3]]):
        np.testing.assert_allclose(
            scorer.score(batch)[:, 1:], model._score(batch)[:, 1:], atol=1e-4
        )


@pytest.mark.parametrize("name", TOWERS)
def test_padding_beside_a_longer_history_changes_nothing(name):
    scorer = trained(name, DATA, epochs=1).scorer()
    short, long = (histories_of(DATA, np.array([user]))[0] for user in (1, 2))
    alone = scorer.score([short.last(2)])
    together = scorer.score([short.last(2), long])
    np.testing.assert_allclose(alone[0, 1:], together[0, 1:], atol=1e-5)


@pytest.mark.parametrize("name", TOWERS)
def test_export_warns_nobody_and_leaves_the_mode_alone(name):
    model = trained(name, DATA, epochs=1)
    model.scorer()  # warnings are errors here
    assert not model.module.training
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()


def test_one_users_live_score_is_fast():
    rng = np.random.default_rng(1)
    events = [(user, int(rng.integers(1, 1_001)), t) for user in range(1, 20) for t in range(60)]
    data = world(events, n_users=20, n_items=1_000)
    model = MODELS["transformer"](MODELS["transformer"].Config(epochs=1, ppmi_window=0))
    list(model.fit(data))
    scorer, history = model.scorer(), histories_of(data, np.array([1]))
    scorer.score(history)
    assert len(history[0].items) >= 50
    spent = []
    for _ in range(20):
        began = time.process_time()
        scorer.score(history)
        spent.append(time.process_time() - began)
    assert min(spent) < 0.003
