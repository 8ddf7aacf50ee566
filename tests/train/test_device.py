"""Where a model is trained."""

import pytest
import torch

from recommender.ml.progress import TrainingError
from recommender.train.fit import device_for


@pytest.mark.parametrize(
    ("wanted", "has_gpu", "expected"),
    [
        ("auto", False, "cpu"),
        ("auto", True, "cuda"),
        ("cpu", True, "cpu"),
        ("cuda:1", True, "cuda:1"),
    ],
)
def test_a_gpu_is_taken_when_there_is_one(monkeypatch, wanted, has_gpu, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert device_for(wanted) == expected


@pytest.mark.parametrize("wanted", ["cuda", "gpu", "mps", ""])
def test_a_device_that_is_not_there_is_refused_with_the_setting(monkeypatch, wanted):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TrainingError, match=f"TRAIN_DEVICE is '{wanted}'"):
        device_for(wanted)
