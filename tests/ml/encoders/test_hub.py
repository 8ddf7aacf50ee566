"""Models in a folder, of any kind that transformers knows: tiny ones, made here at random."""

import json
import sys

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from recommender.ml.encoders import NotAvailable, load_encoder
from recommender.ml.encoders.hub import HubEncoder, _pooled
from tests.ml.encoders import media

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.fixture
def bert(tmp_path):
    """Save a BERT of two small layers with a tokenizer of four words."""
    words = {"[PAD]": 0, "[UNK]": 1, "red": 2, "shoe": 3, "title": 4}
    plain = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="[PAD]", unk_token="[UNK]", model_max_length=32
    ).save_pretrained(tmp_path)
    torch.manual_seed(1)
    config = transformers.BertConfig(
        vocab_size=5,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    return tmp_path


def pooling(folder, **config):
    modules = [
        {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))


def test_a_folder_of_text_is_read_by_mean_without_the_padding(bert):
    made = load_encoder(f"folder:{bert}")
    rows = made.encode(["red shoe", "shoe red shoe red shoe", "", "red shoe"])
    assert (rows.shape, made.dimension, made.modality) == ((4, 16), 16, "text")
    alone = made.encode(["red shoe"])[0]
    np.testing.assert_allclose(rows[0], alone, atol=1e-5)  # the longer neighbor pads it
    assert not rows[2].any()
    assert rows[0] @ rows[1] < 0.9999


def test_the_models_own_pooling_and_prompt_are_kept(bert):
    mean = HubEncoder(f"folder:{bert}", "text").encode(["red shoe"])[0]
    pooling(bert, pooling_mode_cls_token=True, pooling_mode_mean_tokens=False)
    first = HubEncoder(f"folder:{bert}", "text").encode(["red shoe"])[0]
    (bert / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "shoe ", "document": "title "}})
    )
    prompted = HubEncoder(f"folder:{bert}", "text")
    assert first @ mean < 0.9999
    assert prompted.encode(["red shoe"])[0] @ first < 0.9999
    assert prompted._read("red shoe") == "title red shoe"


def test_pooling_picks_the_right_tokens_on_either_side_of_the_padding():
    states = torch.arange(2 * 3.0).view(2, 3, 1)  # (0, 1, 2), (3, 4, 5)
    mask = torch.tensor([[1, 1, 0], [0, 1, 1]])
    picked = {how: _pooled(states, mask, how).flatten().tolist() for how in ("first", "last")}
    assert picked == {"first": [0, 4], "last": [1, 5]}
    assert _pooled(states, mask, "mean").flatten().tolist() == [0.5, 4.5]


def test_a_model_with_modules_of_its_own_is_refused_not_run_wrongly(bert):
    pooling(bert, pooling_mode_mean_tokens=True)
    modules = json.loads((bert / "modules.json").read_text())
    dense = {"idx": 2, "path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    (bert / "modules.json").write_text(json.dumps([*modules, dense]))
    with pytest.raises(NotAvailable, match="needs the modules Transformer, Pooling, Dense"):
        HubEncoder(f"folder:{bert}", "text")


def test_other_weights_are_another_version(bert):
    before = HubEncoder(f"folder:{bert}", "text").version
    assert HubEncoder(f"folder:{bert}", "text").version == before
    model = transformers.BertModel.from_pretrained(bert)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight[2] += 1
    model.save_pretrained(bert)
    assert HubEncoder(f"folder:{bert}", "text").version != before


def test_pickled_weights_are_refused(bert):
    (bert / "model.safetensors").unlink()
    torch.save({}, bert / "pytorch_model.bin")
    with pytest.raises(NotAvailable, match="cannot be loaded"):
        HubEncoder(f"folder:{bert}", "text")


def test_a_folder_of_pictures_is_read(tmp_path):
    torch.manual_seed(1)
    tower = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
    tower["num_attention_heads"] = 2
    config = transformers.SiglipConfig(
        text_config={**tower, "vocab_size": 20},
        vision_config={**tower, "image_size": 32, "patch_size": 8},
    )
    transformers.SiglipModel(config).save_pretrained(tmp_path)
    transformers.SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    made = load_encoder(f"folder:{tmp_path}", "picture")
    rows = made.encode([media.photo(1), b"broken", media.photo(2)], lambda *what: None)
    assert (rows.shape, made.modality) == ((3, 16), "picture")
    assert np.linalg.norm(rows, axis=1).round(4).tolist() == [1, 0, 1]
    np.testing.assert_allclose(made.encode([media.photo(2)])[0], rows[2], atol=1e-5)


def test_a_folder_of_sounds_is_read(tmp_path):
    torch.manual_seed(1)
    config = transformers.ClapConfig(
        text_config={"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
        audio_config={
            "patch_embeds_hidden_size": 8,
            "hidden_size": 16,
            "depths": [1, 1],
            "num_attention_heads": [2, 2],
            "num_mel_bins": 64,
            "spec_size": 256,
            "window_size": 8,
            "patch_size": 4,
        },
        projection_dim=12,
    )
    transformers.ClapModel(config).save_pretrained(tmp_path)
    front = transformers.ClapFeatureExtractor(feature_size=64, truncation="rand_trunc")
    front.save_pretrained(tmp_path)  # one picture of the sound, as its model without fusion reads
    made = load_encoder(f"folder:{tmp_path}", "sound")
    rows = made.encode([media.wav(media.tone()), media.wav(media.melody(), 22_050)])
    assert rows.shape == (2, made.dimension)
    assert rows[0] @ rows[1] < 0.99999


@pytest.mark.parametrize("name", ["folder:/no/such/folder", "folder:~"])
def test_a_folder_without_a_model_is_named(name):
    with pytest.raises(NotAvailable, match=r"holds no config\.json"):
        HubEncoder(name, "text")


def test_a_hub_that_cannot_be_reached_is_an_error_with_the_name(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(NotAvailable, match=r"hf:nobody/no-model cannot be loaded"):
        HubEncoder("hf:nobody/no-model", "text")


def test_without_transformers_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(NotAvailable, match=r"pip install -r requirements-hub\.txt"):
        HubEncoder(f"folder:{tmp_path}", "text")
