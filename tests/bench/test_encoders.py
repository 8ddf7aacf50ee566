"""The benchmark of encoders: how a label is guessed, and what the table says."""

import numpy as np
import pytest

from bench import encoders
from bench.encoders import Labeled, measure, nearest_agree, report
from recommender.ml.encoders import load_encoder


def test_a_label_is_guessed_from_the_five_nearest_others_and_the_nearer_wins_a_tie():
    angles = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 3.0])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    # The first sees b a a b c: two each, b is nearer, so it is taken for a b.
    labels = ["a", "b", "a", "a", "b", "c", "c"]
    assert nearest_agree(vectors, labels)[0] == 0
    assert nearest_agree(vectors, ["b", *labels[1:]])[0] == 1
    # The last sees c b a a b from its side: two each again, and now b is the nearer.
    assert nearest_agree(vectors, [*labels[:-1], "b"])[-1] == 1


def test_texts_alike_share_their_label_and_the_table_says_so():
    words = ("apple pie", "steam train")
    texts = [f"{word} {n}" for word in words for n in range(8)]
    row = measure(load_encoder("hashing"), Labeled("words", texts, [t.split()[0] for t in texts]))
    assert row.accuracy.value == 1.0
    assert row.per_cpu_s > 0
    table = report([row], "the command")
    assert "| hashing | 1 | 256 | words, n = 16, 2 classes | 1.000 [1.000, 1.000] |" in table
    assert "Written by `the command`" in table


def test_a_folder_without_data_is_said_and_nothing_written(tmp_path, monkeypatch):
    monkeypatch.setattr(encoders, "RESULTS", tmp_path / "encoders.md")
    with pytest.raises(SystemExit, match="holds neither bbc/ nor retail/; nothing was measured"):
        encoders.main(["--data", str(tmp_path)])
    assert not (tmp_path / "encoders.md").exists()
