import math

import numpy as np
import pytest
import torch
from torch import nn

from recommender.ml.progress import TrainingError
from recommender.ml.sequences import Batch
from recommender.ml.trainer import Lesson, Schedule, limited_threads, one_cycle, run_epochs
from tests.ml.planted import planted
from tests.ml.small import small

DATA = planted()


def batch():
    """Build a batch of one target."""
    one = np.ones((1, 1), np.int64)
    return Batch(
        users=np.array([1]),
        inputs=one * 0,
        input_weights=one * 0.0,
        input_gaps=one * 0,
        input_kinds=one * 0,
        input_values=one * np.nan,
        targets=one,
        weights=one * 1.0,
        places=one * 0,
    )


class Point(nn.Module):
    """Learn one number; it should end at 1."""

    def __init__(self):
        super().__init__()
        self.place = nn.Parameter(torch.tensor([0.0]))


def lesson(point, *, losses=None, n_batches=5, loss=None):
    """Build a lesson whose validation follows a script."""
    script = iter(losses or [])
    return Lesson(
        batches=lambda: [batch()] * n_batches,
        loss=loss or (lambda _: ((point.place - 1) ** 2).sum()),
        judge=lambda: (next(script), 0.5) if losses else (None, None),
    )


def schedule(**changes):
    return Schedule(**({"epochs": 4, "learning_rate": 0.1, "weight_decay": 0.0} | changes))


def never():
    return False


def test_each_epoch_is_reported_and_the_loss_falls():
    point = Point()
    records = list(run_epochs(point, lesson(point), schedule(), never))
    assert [record.epoch for record in records] == [1, 2, 3, 4]
    assert records[-1].loss < records[0].loss
    assert records[0].validation is None
    assert records[0].examples_per_s > 0


def test_the_best_epoch_is_kept():
    point, places = Point(), []
    for _ in run_epochs(point, lesson(point, losses=[3.0, 1.0, 2.0, 2.0]), schedule(), never):
        places.append(point.place.item())
    assert point.place.item() == places[1]
    assert places[1] != places[3]


def test_a_later_epoch_within_a_percent_of_the_best_is_preferred():
    point, places = Point(), []
    losses = [2.0, 1.0, 1.009, 1.02]
    for _ in run_epochs(point, lesson(point, losses=losses), schedule(), never):
        places.append(point.place.item())
    assert point.place.item() == places[2]


def test_patience_ends_a_run_that_no_longer_improves():
    point = Point()
    losses = [1.0, 2.0, 3.0, 3.0, 3.0]
    records = list(
        run_epochs(point, lesson(point, losses=losses), schedule(epochs=5, patience=2), never)
    )
    assert len(records) == 3


def test_a_stop_is_seen_before_the_next_batch():
    point, batches_seen = Point(), []

    def loss(_):
        batches_seen.append(1)
        return ((point.place - 1) ** 2).sum()

    records = run_epochs(point, lesson(point, loss=loss), schedule(), lambda: len(batches_seen) > 1)
    assert list(records) == []
    assert len(batches_seen) == 2


def test_a_stop_returns_to_the_best_epoch_so_far():
    point, stop = Point(), []
    places = []
    run = run_epochs(point, lesson(point, losses=[1.0] * 4), schedule(), lambda: bool(stop))
    for _ in run:
        places.append(point.place.item())
        stop.append(1)
    assert point.place.item() == places[0]


def test_leaving_early_also_returns_to_the_best_epoch():
    point = Point()
    run = run_epochs(point, lesson(point, losses=[1.0, 9.0]), schedule(epochs=2), never)
    next(run)
    best = point.place.item()
    next(run)
    run.close()
    assert point.place.item() == best
    assert not point.training


def test_a_loss_that_is_not_finite_stops_with_advice():
    point = Point()
    bad = lesson(point, loss=lambda _: (point.place * math.nan).sum())
    with pytest.raises(TrainingError, match="the loss of epoch 1 is nan; lower learning_rate"):
        list(run_epochs(point, bad, schedule(), never))


def test_the_rate_rises_then_falls():
    rates = [one_cycle(progress / 100, 0.1) for progress in range(101)]
    assert rates[0] == pytest.approx(1 / 25)
    assert rates[10] == pytest.approx(1)
    assert rates[-1] == pytest.approx(1e-3)
    assert np.all(np.diff(rates[:11]) > 0)
    assert np.all(np.diff(rates[10:]) < 0)


def test_threads_are_put_back():
    before = torch.get_num_threads()
    with limited_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("name", ["two_tower", "transformer"])
def test_training_leaves_the_global_generators_alone(name):
    model = small(name, epochs=1)
    state = np.random.get_state()[1].tolist()
    list(model.fit(DATA, seed=9))
    assert np.random.get_state()[1].tolist() == state
    torch.manual_seed(1)
    first = trained_ids(name)
    torch.manual_seed(2)
    np.testing.assert_array_equal(first, trained_ids(name))


def trained_ids(name):
    model = small(name, epochs=1)
    list(model.fit(DATA, seed=9))
    return model.module.table.ids.detach().numpy().copy()


@pytest.mark.parametrize("name", ["two_tower", "transformer"])
def test_a_stop_inside_the_first_epoch_still_leaves_a_usable_model(name):
    asked = iter([False, True, True, True])
    model = small(name, epochs=3)
    assert list(model.fit(DATA, should_stop=lambda: next(asked))) == []
    assert model.scorer().n_items == DATA.n_items


def test_weights_that_are_not_finite_are_never_handed_on():
    model = small("transformer", epochs=1)
    for _ in (run := model.fit(DATA)):
        with torch.no_grad():
            model.module.positions[0, 0] = math.nan
        with pytest.raises(TrainingError, match="positions of transformer holds NaN"):
            next(run)
        break
