import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.artifact import (
    WEIGHTS,
    ArtifactError,
    Payload,
    load_model,
    load_weights,
    read_manifest,
    read_payload,
    save_artifact,
)
from recommender.ml.cold import COLD_ARRAYS
from recommender.ml.compress import (
    VARIANTS,
    CannotCompressError,
    compress,
    cpu_ms,
    overlap,
    served_bytes,
    variants_of,
)
from recommender.ml.evaluation import histories_of
from recommender.ml.manifest import TOWER
from recommender.ml.scoring import History
from recommender.ml.topk import top_k
from tests.ml.planted import planted
from tests.ml.small import NAMES, context_for, trained
from tests.ml.test_artifact import replace_array, rewrite

DATA = planted(n_users=40, n_items=30, n_events=12)
PEOPLE = histories_of(DATA, np.arange(1, DATA.n_users + 1))
EXACT_SHARE = {"float16": 2e-3, "int8_rows": 0.02, "int8_tower": 0.02, "int8": 0.03}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Write one original of each model."""
    base = tmp_path_factory.mktemp("originals")
    for name in NAMES:
        trained(name, DATA).export(base / name, context_for(DATA))
    return base


def every_variant(folders):
    for name in NAMES:
        for variant in variants_of(read_manifest(folders / name)):
            yield name, variant


def scores(folder):
    return load_model(folder).scorer.score(PEOPLE)[:, 1:]


def test_every_variant_of_every_model_loads_and_ranks(folders, tmp_path):
    for name, variant in every_variant(folders):
        original = read_manifest(folders / name)
        made = compress(folders / name, tmp_path / f"{name}-{variant}", variant, people=PEOPLE)
        found = scores(tmp_path / f"{name}-{variant}")
        assert np.isfinite(found).all(), (name, variant)
        assert made.extra["variant"]["of"] == original.sha256
        assert (made.model, made.kind, made.n_items) == (name, original.kind, DATA.n_items)


def test_rounding_moves_scores_by_little_of_their_spread(folders, tmp_path):
    for name, variant in every_variant(folders):
        if VARIANTS[variant].is_short:
            continue
        compress(folders / name, tmp_path / f"{name}-{variant}", variant)
        before, after = scores(folders / name), scores(tmp_path / f"{name}-{variant}")
        gap = np.abs(after - before).max() / np.ptp(before)
        assert gap <= EXACT_SHARE[variant], (name, variant, gap)


@pytest.mark.parametrize("variant", ["float16", "int8"])
@pytest.mark.parametrize("name", ["slit", "ease"])
def test_who_did_nothing_yet_gets_the_same_list(name, variant, tmp_path):
    """Only a trace of popularity speaks then, some 1e-9: as a plain half float it would be 0."""
    data = planted(n_users=80, n_items=300, n_events=20)
    trained(name, data, n_neighbors=300).export(tmp_path / "whole", context_for(data))
    compress(tmp_path / "whole", tmp_path / "small", variant)
    first, second = (
        top_k(load_model(tmp_path / folder).scorer.score([History.empty(3)]), 10)
        for folder in ("whole", "small")
    )
    assert overlap(first, second).tolist() == [1.0]


def test_all_axes_kept_change_no_score(folders, tmp_path, monkeypatch):
    """Rotating items, readers and solvers alike is exact; only cutting costs."""
    monkeypatch.setattr("recommender.ml.compress.KEPT_SHARE", 1.0)
    monkeypatch.setattr("recommender.ml.compress.pack", lambda arrays, _storage: arrays)
    monkeypatch.setattr("recommender.ml.compress.halve_graph", lambda graph: graph)
    for name, variant in every_variant(folders):
        if variant == "short":
            compress(folders / name, tmp_path / name, variant, people=PEOPLE)
            np.testing.assert_allclose(
                scores(tmp_path / name), scores(folders / name), rtol=1e-3, atol=1e-4
            )


def test_held_out_items_are_shortened_with_the_rest(folders, tmp_path):
    manifest, payload = read_payload(folders / "two_tower")
    items = np.array([2, 5])
    cold = (items, payload.arrays["item_vectors"][items], payload.arrays["item_bias"][items])
    arrays = {**payload.arrays, **dict(zip(COLD_ARRAYS, cold, strict=True))}
    save_artifact(tmp_path / "a", replace(manifest, files=()), Payload(arrays, payload.raw))
    compress(tmp_path / "a", tmp_path / "b", "short", people=PEOPLE)
    scorer = load_model(tmp_path / "b").scorer
    assert scorer.held_out.tolist() == [2, 5]
    found, known = scorer.cold(items).score(PEOPLE), scorer.score(PEOPLE)
    np.testing.assert_allclose(found[:, 1:], known[:, 1:], atol=0.02 * np.ptp(known[:, 1:]))


def test_the_time_of_nobody_is_undefined(folders):
    scorer = load_model(folders / "item_knn").scorer
    assert np.isnan(cpu_ms(scorer, []))
    assert cpu_ms(scorer, PEOPLE[:3]) > 0


def test_short_vectors_are_half_as_long(folders, tmp_path):
    compress(folders / "transformer", tmp_path / "short", "short", people=PEOPLE)
    compress(folders / "two_tower", tmp_path / "two", "short")
    for folder, source in ((tmp_path / "short", "transformer"), (tmp_path / "two", "two_tower")):
        before = load_model(folders / source).scorer.vectors.shape
        assert load_model(folder).scorer.vectors.shape == (before[0], before[1] // 2)


@pytest.mark.parametrize("variant", ["float16", "int8", "short_int8"])
def test_parts_still_sum_to_the_score(folders, tmp_path, variant):
    compress(folders / "transformer", tmp_path / variant, variant, people=PEOPLE)
    scorer, items = load_model(tmp_path / variant).scorer, np.arange(1, DATA.n_items + 1)
    for person in PEOPLE[:5]:
        summed = sum(scorer.parts(person, items).values())
        np.testing.assert_allclose(summed, scorer.score([person])[0, items], atol=1e-5)


def test_models_without_a_tower_or_vectors_have_fewer_forms(folders):
    assert variants_of(read_manifest(folders / "item_knn")) == ("float16", "int8")
    whole = variants_of(read_manifest(folders / "neumf"))  # whose network reads single numbers
    assert whole == ("float16", "int8_rows", "int8_tower", "int8")
    assert "int8_tower" not in variants_of(read_manifest(folders / "matrix_factorization"))
    assert variants_of(read_manifest(folders / "transformer")) == tuple(VARIANTS)
    with pytest.raises(CannotCompressError, match="item_knn has no variant 'short'; it has"):
        compress(folders / "item_knn", folders / "x", "short")


def test_a_variant_of_a_variant_is_refused(folders, tmp_path):
    compress(folders / "item_knn", tmp_path / "a", "float16")
    with pytest.raises(CannotCompressError, match="this is the float16 variant already"):
        compress(tmp_path / "a", tmp_path / "b", "int8")
    assert not (tmp_path / "b").exists()


def test_a_variant_has_no_weights_to_train_on_from(folders, tmp_path):
    made = compress(folders / "transformer", tmp_path / "a", "int8")
    assert WEIGHTS not in {entry.name for entry in made.files}
    assert served_bytes(made) == made.n_bytes
    assert (
        served_bytes(read_manifest(folders / "transformer"))
        < read_manifest(folders / "transformer").n_bytes
    )
    with pytest.raises(ArtifactError, match="no weights to start from"):
        load_weights(tmp_path / "a")


def test_a_damaged_original_is_refused(folders, tmp_path):
    broken = shutil.copytree(folders / "transformer", tmp_path / "broken")
    raw = bytearray((broken / "item_vectors.npy").read_bytes())
    raw[-1] ^= 1
    (broken / "item_vectors.npy").write_bytes(raw)
    with pytest.raises(ArtifactError, match="its sha256 is not the manifest's"):
        compress(broken, tmp_path / "x", "int8")


def test_a_variant_with_a_damaged_scale_or_recipe_is_refused(folders, tmp_path):
    compress(folders / "transformer", tmp_path / "a", "int8")
    bad = shutil.copytree(tmp_path / "a", tmp_path / "bad-scale")
    scale = np.load(bad / "item_vectors_scale.npy")
    replace_array(bad, "item_vectors_scale", -scale)
    with pytest.raises(ArtifactError, match=r"item_vectors_scale\.npy: a scale is below zero"):
        load_model(bad)
    bad = shutil.copytree(tmp_path / "a", tmp_path / "bad-recipe")
    extra = json.loads((bad / "manifest.json").read_bytes())["extra"]
    rewrite(bad, extra=extra | {"variant": {"name": "int8"}})
    with pytest.raises(ArtifactError, match="does not say how to restore"):
        load_model(bad)


def test_a_quantized_tower_holds_bytes_and_stays_near(folders, tmp_path):
    compress(folders / "transformer", tmp_path / "a", "int8_tower")
    _, before = read_payload(folders / "transformer")
    _, after = read_payload(tmp_path / "a")
    assert len(after.raw[TOWER]) != len(before.raw[TOWER])
    towers = [load_model(f).scorer for f in (folders / "transformer", tmp_path / "a")]
    first, second = (getattr(s, "tower", s).user_vectors(PEOPLE) for s in towers)
    cosine = (
        (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    )
    assert cosine.min() > 0.99
    assert not np.array_equal(first, second)


@given(st.permutations(range(10)))
def test_overlap_ignores_order(order):
    row = np.arange(10)[None]
    assert overlap(row, np.array([order])).tolist() == [1.0]
