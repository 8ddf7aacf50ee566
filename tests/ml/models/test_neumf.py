import numpy as np
import torch

from recommender.ml.artifact import load_model
from recommender.ml.evaluation import histories_of
from recommender.ml.scoring import History
from tests.ml.planted import planted
from tests.ml.small import context_for, trained

DATA = planted(rated=False)


def test_the_exported_pair_scores_as_torch_does(tmp_path):
    model = trained("neumf", DATA, epochs=3)
    model.export(tmp_path / "v1", context_for(DATA))
    scorer = load_model(tmp_path / "v1").scorer
    users = histories_of(DATA, np.arange(1, 20))
    for batch in (users, users[:1], [History.empty()]):
        np.testing.assert_allclose(
            scorer.score(batch)[:, 1:], model._score(batch)[:, 1:], atol=1e-4
        )


def test_matching_row_by_row_is_the_diagonal_of_matching_all():
    module = trained("neumf", DATA, epochs=1).module.eval()
    generator = torch.Generator().manual_seed(1)
    users, items = (torch.randn(5, 16, generator=generator) for _ in range(2))
    with torch.no_grad():
        table, rows = module.match(users, items), module.match_own(users, items)
    torch.testing.assert_close(table.diagonal(), rows)


def test_the_network_learns_and_counts():
    scorer = trained("neumf", DATA).scorer()
    (someone,) = histories_of(DATA, np.array([4]))
    network = scorer.parts(someone, np.arange(1, 31))["network"]
    assert network.std() > 0.01  # more than a constant for all items


def test_a_known_user_is_not_the_unknown_one_with_the_same_history():
    scorer = trained("neumf", DATA, user_dropout=0.0, epochs=8).scorer()
    (someone,) = histories_of(DATA, np.array([4]))
    known, unknown = scorer.score([type(someone)(**{**vars(someone), "user": 4}), someone])
    assert not np.allclose(known[1:], unknown[1:], atol=1e-3)
