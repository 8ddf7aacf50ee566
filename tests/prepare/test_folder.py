"""The folder: whole or not at all, and nothing of it can change unnoticed."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from recommender.ml.features import HistoryFacts, ItemFacts, fit_spec
from recommender.prepare import folder
from recommender.prepare.folder import Frozen
from tests.ml.worlds import make_interactions

NONE = np.zeros(0)


@pytest.fixture
def frozen():
    spec = fit_spec([], HistoryFacts(NONE, NONE, NONE, NONE), ItemFacts(NONE, NONE, NONE, []))
    data = make_interactions([(1, 1, 5, 1.0), (1, 2, 9, 1.0)])
    return Frozen(data, np.array([0, 11, 12]), np.array([0, 3]), spec, 9, {"robot": 2})


def test_what_was_written_comes_back(frozen, tmp_path):
    path, digest = folder.write(frozen, tmp_path)
    back = folder.read(path)
    assert back.item_ids.tolist() == [0, 11, 12]
    assert (back.split_at, back.dropped, back.features) == (9, {"robot": 2}, frozen.features)
    assert back.interactions.item.tolist() == [1, 2]
    assert folder.digest_of(path) == digest


def test_the_same_content_has_the_same_hash_and_other_content_another(frozen, tmp_path):
    _, one = folder.write(frozen, tmp_path)
    _, same = folder.write(frozen, tmp_path)
    _, other = folder.write(replace(frozen, split_at=8), tmp_path)
    assert one == same != other


def test_a_changed_added_renamed_or_missing_file_changes_the_hash(frozen, tmp_path):
    path, digest = folder.write(frozen, tmp_path)
    hashes = {digest}
    (path / "extra.npy").write_bytes(b"")
    hashes.add(folder.digest_of(path))
    (path / "extra.npy").unlink()
    (path / "time.npy").rename(path / "tim3.npy")
    hashes.add(folder.digest_of(path))
    (path / "tim3.npy").unlink()
    hashes.add(folder.digest_of(path))
    assert len(hashes) == 4


def test_a_crash_while_writing_leaves_nothing_behind(frozen, tmp_path, monkeypatch):
    def full(*_args):
        raise OSError("No space left on device")

    monkeypatch.setattr(folder, "_sync_entry", full)
    with pytest.raises(OSError, match="No space left"):
        folder.write(frozen, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_is_cleared_after_an_hour(tmp_path):
    for name in (".draft", "no-row", "kept"):
        (tmp_path / name).mkdir()
    known = {str(tmp_path / "kept")}
    assert folder.clear_orphans(tmp_path, known, 3600, time.time()) == 0
    assert folder.clear_orphans(tmp_path, known, 3600, time.time() + 3601) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_folder_of_another_schema_is_refused(frozen, tmp_path):
    path, _ = folder.write(frozen, tmp_path)
    facts = json.loads((path / "snapshot.json").read_text())
    (path / "snapshot.json").write_text(json.dumps(facts | {"schema_version": 9}))
    with pytest.raises(ValueError, match="schema version is 9; this program reads 1"):
        folder.read(path)
