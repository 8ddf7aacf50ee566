import hashlib
import json
import os
import shutil
from itertools import pairwise

import numpy as np
import pytest

from recommender.ml.artifact import (
    WEIGHTS,
    ArtifactError,
    Payload,
    load_model,
    load_weights,
    pack_weights,
    read_manifest,
    save_artifact,
)
from recommender.ml.manifest import MANIFEST, TOWER, Manifest
from recommender.ml.scoring import History
from tests.ml.planted import planted
from tests.ml.small import context_for, trained

DATA = planted(n_users=12, n_items=9, n_events=4)
KINDS = (
    "popularity",
    "user_knn",
    "item_knn",
    "matrix_factorization",
    "neumf",
    "two_tower",
    "transformer",
)
N_FLIPS = 12


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Write one artifact of each model; tests change copies."""
    base = tmp_path_factory.mktemp("artifacts")
    for name in KINDS:
        changes = {} if name in ("popularity", "user_knn", "item_knn") else {"epochs": 1}
        trained(name, DATA, **changes).export(base / name, context_for(DATA))
    return base


@pytest.fixture
def copy(folders, tmp_path):
    """Return a function that copies one artifact to where it may be broken."""
    return lambda name: shutil.copytree(folders / name, tmp_path / name)


def files_of(folder):
    return sorted(path.name for path in folder.iterdir())


def rewrite(folder, **changes):
    """Change the manifest and sign it again: what only a broken writer would do."""
    entries = json.loads((folder / MANIFEST).read_bytes()) | changes
    raw = json.dumps(entries, sort_keys=True, indent=1, ensure_ascii=False).encode()
    (folder / MANIFEST).write_bytes(raw)
    line = f"{hashlib.sha256(raw).hexdigest()}  {MANIFEST}\n"
    (folder / "manifest.sha256").write_text(line)


def replace_array(folder, stem, array):
    """Put another array in place and describe it truthfully: every hash fits."""
    path = folder / f"{stem}.npy"
    np.save(path, array)
    files = json.loads((folder / MANIFEST).read_bytes())["files"]
    entry = next(entry for entry in files if entry["name"] == path.name)
    raw = path.read_bytes()
    entry |= {"sha256": hashlib.sha256(raw).hexdigest(), "n_bytes": len(raw)}
    entry |= {"shape": list(array.shape), "dtype": array.dtype.str}
    rewrite(folder, files=files)


@pytest.mark.parametrize("name", KINDS)
def test_an_untouched_artifact_loads(copy, name):
    folder = copy(name)
    model = load_model(folder, manifest_sha256=read_manifest(folder).sha256)
    assert np.isfinite(model.scorer.score([History.empty()])[0, 1:]).all()


@pytest.mark.parametrize("name", KINDS)
def test_every_flipped_bit_is_refused(copy, name):
    folder, rng = copy(name), np.random.default_rng(7)
    for file in files_of(folder):
        raw = (folder / file).read_bytes()
        places = rng.integers(0, len(raw), N_FLIPS)
        for place in [0, len(raw) - 1, *places.tolist()]:
            broken = bytearray(raw)
            broken[place] ^= 1 << int(rng.integers(0, 8))
            (folder / file).write_bytes(broken)
            with pytest.raises(ArtifactError):
                load_model(folder)
        (folder / file).write_bytes(raw)
    load_model(folder)  # put back, it loads: the flips were the reason


@pytest.mark.parametrize("name", KINDS)
def test_every_truncated_lengthened_or_missing_file_is_refused(copy, name):
    folder = copy(name)
    for file in files_of(folder):
        raw = (folder / file).read_bytes()
        for broken in (b"", raw[:-1], raw[: len(raw) // 2], raw + b"\0"):
            (folder / file).write_bytes(broken)
            with pytest.raises(ArtifactError, match=r"manifest|bytes"):
                load_model(folder)
        (folder / file).unlink()
        with pytest.raises(ArtifactError, match="cannot be read"):
            load_model(folder)
        (folder / file).write_bytes(raw)


@pytest.mark.parametrize("name", KINDS)
def test_files_swapped_with_each_other_are_refused(copy, name):
    folder = copy(name)
    files = files_of(folder)
    for first, second in pairwise(files):
        one, two = (folder / first).read_bytes(), (folder / second).read_bytes()
        (folder / first).write_bytes(two)
        (folder / second).write_bytes(one)
        with pytest.raises(ArtifactError):
            load_model(folder)
        (folder / first).write_bytes(one)
        (folder / second).write_bytes(two)


def test_the_tower_of_another_model_is_refused_by_name(copy):
    folder, other = copy("transformer"), copy("two_tower")
    shutil.copy(other / TOWER, folder / TOWER)
    with pytest.raises(ArtifactError, match=r"user_tower\.onnx: it has \d+ bytes"):
        load_model(folder)


def test_a_tower_that_cannot_run_is_refused_even_when_the_hash_fits(copy):
    folder, graph = copy("transformer"), b"not a graph"
    (folder / TOWER).write_bytes(graph)
    files = json.loads((folder / MANIFEST).read_bytes())["files"]
    entry = next(entry for entry in files if entry["name"] == TOWER)
    entry |= {"sha256": hashlib.sha256(graph).hexdigest(), "n_bytes": len(graph)}
    rewrite(folder, files=files)
    with pytest.raises(ArtifactError, match=r"user_tower\.onnx: ONNX Runtime cannot run it"):
        load_model(folder)


def test_a_manifest_other_than_the_registered_one_is_refused(copy):
    with pytest.raises(ArtifactError, match=r"manifest\.json: its sha256 is .*was registered"):
        load_model(copy("item_knn"), manifest_sha256="0" * 64)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 2}, "schema version is 2, this program reads 1"),
        ({"surprise": 1}, "its keys are not those of this schema version"),
        ({"kind": "magic"}, "kind 'magic' is none of"),
        ({"files": []}, "a popularity model needs it, the manifest lacks it"),
        ({"files": "none"}, "files is 'none', not a list"),
        ({"files": [1]}, "it is not a manifest"),
        ({"n_items": "9"}, "n_items is '9', not a int"),
        ({"trained_to": True}, "trained_to is True, not a int"),
        ({"scoring": {"alpha": "1"}}, "scoring.alpha is '1', not a number"),
        ({"n_items": 8}, r"its shape is \(10,\), not \(M\+1\) with M = 8 \(items\)"),
        ({"n_users": 1}, r"its shape is \(13,\), not \(U\+1\) with U = 1 \(users\)"),
        ({"members": {"a": 1}}, "members.a is 1, not a kind of scorer"),
        ({"members": {"a": "magic"}}, "kind 'magic' is none of"),
        ({"members": {"a": "fold_in"}}, "a popularity model needs it, the manifest lacks it"),
        ({"rating": {"slope": 1.0}}, "its rating model is incomplete"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(copy, changes, message):
    folder = copy("popularity")
    rewrite(folder, **changes)
    with pytest.raises(ArtifactError, match=message):
        load_model(folder)


def test_a_number_the_scorer_needs_may_not_be_missing(copy):
    folder = copy("item_knn")
    rewrite(folder, scoring={})
    with pytest.raises(ArtifactError, match="the scorer needs the number 'half_life_days'"):
        load_model(folder)


@pytest.mark.parametrize("name", ["../manifest.json", "/etc/passwd", "a/b.npy", "x.pkl", "X.npy"])
def test_a_file_name_that_could_lead_elsewhere_is_refused(copy, name):
    folder = copy("popularity")
    files = json.loads((folder / MANIFEST).read_bytes())["files"]
    rewrite(folder, files=[{**files[0], "name": name}, *files])
    with pytest.raises(ArtifactError, match="is no name for a file of an artifact"):
        load_model(folder)


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{}", b"\xff\xfe", b'{"schema_version": 1}'])
def test_what_is_no_manifest_is_refused(raw):
    with pytest.raises(ArtifactError, match=r"^manifest\.json: "):
        Manifest.decode(raw)


def test_a_manifest_in_another_spelling_is_refused(copy):
    raw = (copy("popularity") / MANIFEST).read_bytes()
    with pytest.raises(ArtifactError, match="not in canonical form"):
        Manifest.decode(raw + b"\n")


def test_pickled_arrays_are_never_opened(copy):
    folder = copy("popularity")
    np.save(folder / "vectors.npy", np.array([{"a": 1}] * 10, dtype=object), allow_pickle=True)
    raw = (folder / "vectors.npy").read_bytes()
    files = json.loads((folder / MANIFEST).read_bytes())["files"]
    entry = next(entry for entry in files if entry["name"] == "vectors.npy")
    entry |= {"sha256": hashlib.sha256(raw).hexdigest(), "n_bytes": len(raw)}
    rewrite(folder, files=files)
    with pytest.raises(ArtifactError, match=r"vectors\.npy: it is not a plain array"):
        load_model(folder)


@pytest.mark.parametrize(
    ("name", "stem", "change", "message"),
    [
        ("item_knn", "indices", lambda a: a + 100, "it points outside the items"),
        ("item_knn", "indices", lambda a: a[:-1], "with N = "),
        ("item_knn", "indptr", lambda a: a - 1, "its rows overlap"),
        ("item_knn", "indptr", lambda a: a // 2, "its length is wrong"),
        ("item_knn", "indptr", lambda a: a[::-1].copy(), "its rows overlap"),
        ("user_knn", "people_items", lambda a: a + 100, "it points outside the items"),
        ("user_knn", "people_starts", lambda a: a[::-1].copy(), "its rows overlap"),
        ("neumf", "pair_product", lambda a: a[:-1], r"not \(D\) with D = 16"),
        ("neumf", "pair_second", lambda a: a[:-1], r"not \(H, G\) with H = 12"),
        ("item_knn", "item_bias", lambda a: a[:-1], r"with M = 9 \(items\)"),
        ("matrix_factorization", "gram", lambda a: a[:-1], r"not \(D\+1, D\+1\) with D = 8"),
        ("matrix_factorization", "offset", lambda a: a[:-1], r"not \(D\+1\) with D = 8"),
        ("two_tower", "own_vectors", lambda a: a[:-1], r"with U = 12 \(users\)"),
        ("transformer", "item_vectors", lambda a: a.ravel(), "it has 1 axes, not 2"),
        ("transformer", "item_vectors", lambda a: a[:, :-1], r"not \(M\+1, D\) with D = 15"),
        ("transformer", "item_ids", lambda a: a + 1, "row 0 must stand for no item"),
    ],
)
def test_arrays_that_disagree_are_refused_even_when_hashes_fit(copy, name, stem, change, message):
    folder = copy(name)
    replace_array(folder, stem, change(np.load(folder / f"{stem}.npy")))
    with pytest.raises(ArtifactError, match=message):
        load_model(folder)


def test_an_artifact_is_written_once(folders):
    with pytest.raises(FileExistsError, match="an artifact is written once"):
        trained("popularity", DATA).export(folders / "popularity", context_for(DATA))


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("No space left on device")

    model = trained("popularity", DATA)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        model.export(tmp_path / "v1", context_for(DATA))
    assert list(tmp_path.iterdir()) == []


def test_an_array_with_nan_is_never_written(tmp_path, folders):
    manifest = read_manifest(folders / "popularity")
    arrays = {"popularity": np.array([0.0, np.nan])}
    with pytest.raises(ArtifactError, match=r"popularity\.npy: it holds NaN or infinity"):
        save_artifact(tmp_path / "v1", manifest, Payload(arrays))


def test_the_hash_file_is_what_sha256sum_reads(folders):
    digest = hashlib.sha256((folders / "transformer" / MANIFEST).read_bytes()).hexdigest()
    text = (folders / "transformer" / "manifest.sha256").read_text()
    assert text == f"{digest}  manifest.json\n"
    assert read_manifest(folders / "transformer").sha256 == digest


def test_the_manifest_says_what_was_trained(folders):
    manifest = read_manifest(folders / "transformer")
    assert manifest.snapshot_sha256 == "5" * 64
    assert manifest.trained_to == 1_000
    assert manifest.config["embedding_size"] == 16
    assert manifest.library_versions["torch"].startswith("2.")
    sizes = {entry.name: entry.n_bytes for entry in manifest.files}
    assert manifest.n_bytes == sum(sizes.values())
    assert {WEIGHTS, TOWER} < set(sizes)


def test_weights_come_back_by_name_and_a_model_without_any_says_so(folders):
    weights = load_weights(folders / "matrix_factorization")
    assert weights.arrays["items"].shape == (DATA.n_items + 1, 9)
    assert weights.rows_for(np.array([0, 30, 7, 10])).tolist() == [0, 3, 0, 1]
    with pytest.raises(ArtifactError, match="a popularity model has no weights to start from"):
        load_weights(folders / "popularity")


def test_the_same_weights_give_the_same_bytes():
    weights = {"b": np.ones(3, np.float32), "a": np.zeros((2, 2), np.float32)}
    assert pack_weights(weights) == pack_weights(dict(weights))
