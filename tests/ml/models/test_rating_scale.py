"""Ratings of any scale: told to the model, kept in its artifact, read alike when serving."""

from dataclasses import replace

import numpy as np
import pytest

from recommender.ml.artifact import load_model
from recommender.ml.evaluation import histories_of
from tests.ml.planted import planted
from tests.ml.small import context_for, trained

# Each pair says the same: 1/4 of half the scale below its middle, and 3/4 above it.
SCALES = {(1.0, 5.0): (2.5, 4.5), (1.0, 10.0): (4.375, 8.875), (0.0, 100.0): (37.5, 87.5)}


def on(scale, data=None):
    """Tell the planted world's ratings, 2.5 and 4.5 of five stars, on another scale."""
    data = data or planted()
    low, high = SCALES[scale]
    value = np.where(data.value == 2.5, low, np.where(data.value == 4.5, high, np.nan))
    return replace(data, value=value, rating_scale=scale)


@pytest.fixture(scope="module")
def five_stars():
    return trained("transformer", on((1.0, 5.0)), epochs=4)


def scored(folder, data):
    """Score what an artifact's folder alone makes of these people."""
    histories = histories_of(data.positives(), np.arange(1, 9))
    return load_model(folder).scorer.score(histories)


def exported(model, data, folder):
    return {file.name: file.sha256 for file in model.export(folder, context_for(data)).files}


@pytest.mark.parametrize("scale", [(1.0, 10.0), (0.0, 100.0)])
def test_the_same_opinions_on_another_scale_learn_the_same_and_are_served_alike(
    scale, five_stars, tmp_path
):
    plain, other = on((1.0, 5.0)), on(scale)
    model = trained("transformer", other, epochs=4)
    first = exported(five_stars, plain, tmp_path / "five")
    second = exported(model, other, tmp_path / "other")
    different = {name for name in first if first[name] != second[name]}
    assert different == {"user_tower.onnx"}  # it holds the scale
    expected = scored(tmp_path / "five", plain)
    np.testing.assert_array_equal(scored(tmp_path / "other", other), expected)
    assert not np.array_equal(scored(tmp_path / "other", plain), expected)


def test_ratings_matter_at_all(five_stars, tmp_path):
    data = on((1.0, 5.0))
    exported(five_stars, data, tmp_path / "five")
    low = replace(data, value=np.full(len(data), 1.0))
    assert not np.array_equal(scored(tmp_path / "five", low), scored(tmp_path / "five", data))


@pytest.mark.parametrize("low", [0.0, 0.5])
def test_five_stars_are_one_scale_from_whatever_they_begin(low, five_stars, tmp_path):
    plain = on((1.0, 5.0))
    told = replace(plain, rating_scale=(low, 5.0))
    model = trained("transformer", told, epochs=4)
    first = exported(five_stars, plain, tmp_path / "five")
    assert exported(model, told, tmp_path / "told") == first


def test_the_model_between_epochs_and_its_artifact_read_alike(tmp_path):
    data = on((1.0, 10.0))
    model = trained("transformer", data, epochs=4)
    exported(model, data, tmp_path / "ten")
    histories = histories_of(data.positives(), np.arange(1, 9))
    served = scored(tmp_path / "ten", data)
    np.testing.assert_allclose(served[:, 1:], model._score(histories)[:, 1:], atol=1e-4)


def test_the_default_model_reads_another_scale_too(tmp_path):
    plain, other = on((1.0, 5.0)), on((1.0, 10.0))
    for name, data in (("five", plain), ("ten", other)):
        exported(trained("hybrid", data, epochs=2), data, tmp_path / name)
    np.testing.assert_array_equal(scored(tmp_path / "ten", other), scored(tmp_path / "five", plain))
