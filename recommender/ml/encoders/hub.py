"""Any model of the hub or of a folder, through transformers: text, picture or sound.

The library is optional (requirements-hub.txt). `hf:<name>` downloads once, from HF_ENDPOINT where
that is set, and then reads the local copy; `folder:<path>` never asks the network. Only
safetensors weights are loaded, and code that comes with a model is not run.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recommender.ml.encoders.base import (
    MOST_CHARACTERS,
    Encoder,
    ModalityName,
    NotAvailable,
    Source,
    Vectors,
    short_id,
)
from recommender.ml.trainer import limited_threads

AT_ONCE = 16
MOST_TOKENS = 512
SOUND_S = 10.0  # a window for models of sound, whose usual training length this is
_PLAIN = ("Transformer", "Pooling", "Normalize")  # modules of sentence-transformers done here
_PROMPTS = ("document", "passage")


class HubEncoder(Encoder):
    """Run a pretrained model on this machine."""

    def __init__(self, name: str, modality: ModalityName) -> None:
        """Load `hf:<name>` or `folder:<path>`.

        Raises: NotAvailable when transformers or the model is missing, or it needs more than that.
        """
        kind, _, where = name.partition(":")
        self.modality = modality
        self._transformers = _library(name)
        self._place = where if kind == "hf" else str(_folder(where))
        self._local = kind == "folder"
        self.id = short_id(name)
        try:
            self._tools = self._load()
            self.dimension = int(self._run([self._blank()]).shape[1])
        except (OSError, ValueError, ImportError) as error:
            words = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise NotAvailable(
                f"The encoder {name} cannot be loaded as a model of {modality}: {words}"
            ) from None
        self.version = self._version()

    def _load(self) -> Any:
        auto, options = self._transformers, {"local_files_only": self._local}
        self._pooling, self._prompt = "mean", ""
        if self.modality == "text":
            self._read_recipe()
        self._net = auto.AutoModel.from_pretrained(self._place, use_safetensors=True, **options)
        self._net.eval()
        kinds = {
            "text": auto.AutoTokenizer,
            "picture": auto.AutoImageProcessor,
            "sound": auto.AutoFeatureExtractor,
        }
        return kinds[self.modality].from_pretrained(self._place, **options)

    def _read_recipe(self) -> None:
        """Read how sentence-transformers would pool, and what it would put before a text."""
        modules = self._json("modules.json") or []
        kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
        if set(kinds) - set(_PLAIN):
            raise ValueError(f"it needs the modules {', '.join(kinds)}; only {_PLAIN} are run here")
        for module, kind in zip(modules, kinds, strict=True):
            pooling = self._json(f"{module['path']}/config.json") if kind == "Pooling" else None
            if pooling:
                self._pooling = _pooling(pooling)
        prompts = (self._json("config_sentence_transformers.json") or {}).get("prompts") or {}
        self._prompt = next((prompts[name] for name in _PROMPTS if name in prompts), "")

    def _json(self, name: str) -> Any:
        """Return a file of the model as JSON, None when there is none."""
        path: str | None = str(Path(self._place) / name)
        if not self._local:
            path = self._transformers.utils.cached_file(
                self._place, name, _raise_exceptions_for_missing_entries=False
            )
        if path is None or not Path(path).is_file():
            return None
        return json.loads(Path(path).read_text("utf-8"))

    def _version(self) -> str:
        commit = getattr(self._net.config, "_commit_hash", None)
        if commit:
            return str(commit)[:16]
        whole = hashlib.sha256()
        for path in sorted(Path(self._place).glob("*.safetensors")):
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
        return whole.hexdigest()[:16]

    def _read(self, source: Source) -> Any:
        if self.modality == "text":
            text = str(source)[:MOST_CHARACTERS].strip()
            return self._prompt + text if text else None
        if self.modality == "picture":
            from recommender.ml.encoders.pictures import read_picture

            return read_picture(source)
        from recommender.ml.encoders.sounds import read_windows

        return read_windows(source, rate=self._tools.sampling_rate, seconds=SOUND_S)

    def _run(self, entries: list[Any]) -> Vectors:
        with torch.inference_mode(), limited_threads(1):
            if self.modality == "sound":
                rows = [self._some(list(windows)).mean(0, keepdim=True) for windows in entries]
            else:
                starts = range(0, len(entries), AT_ONCE)
                rows = [self._some(entries[start : start + AT_ONCE]) for start in starts]
        return np.asarray(torch.cat(rows).float().numpy(), dtype=np.float32)

    def _some(self, entries: list[Any]) -> Tensor:
        """Return (len(entries), D)."""
        if self.modality == "text":
            limit = min(MOST_TOKENS, self._tools.model_max_length)
            options = {"padding": True, "truncation": True, "max_length": limit}
            given = self._tools(entries, return_tensors="pt", **options)
            if hasattr(self._net, "get_text_features"):
                return _features(self._net.get_text_features(**given))
            states = self._net(**given).last_hidden_state
            return _pooled(states, given["attention_mask"], self._pooling)
        if self.modality == "picture":
            given = self._tools(images=entries, return_tensors="pt")
            ask = getattr(self._net, "get_image_features", self._net)
        else:
            rate = self._tools.sampling_rate
            given = self._tools(entries, sampling_rate=rate, return_tensors="pt")
            ask = getattr(self._net, "get_audio_features", self._net)
        return _features(ask(**given))

    def _blank(self) -> Any:
        """Return an entry that shows the model's width."""
        if self.modality == "text":
            return "width"
        if self.modality == "picture":
            from PIL import Image

            return Image.new("RGB", (64, 64), "white")
        length = int(self._tools.sampling_rate * SOUND_S)
        return np.zeros((1, length), dtype=np.float32)


def _library(name: str) -> Any:
    try:
        import transformers
    except ImportError:
        raise NotAvailable(
            f"The encoder {name} needs transformers. Install it with "
            "`pip install -r requirements-hub.txt -c constraints.txt`."
        ) from None
    # A worker's log is no terminal.
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    return transformers


def _folder(where: str) -> Path:
    path = Path(where).expanduser()
    if not (path / "config.json").is_file():
        raise NotAvailable(f"The folder {path} holds no config.json, so it is no model's folder.")
    return path


def _pooling(config: dict[str, Any]) -> str:
    for flag, name in (("cls_token", "first"), ("lasttoken", "last"), ("mean_tokens", "mean")):
        if config.get(f"pooling_mode_{flag}"):
            return name
    raise ValueError(f"its pooling is none of first token, last token, mean: {config}")


def _pooled(states: Tensor, mask: Tensor, how: str) -> Tensor:
    """Return (B, D) from states (B, L, D) and mask (B, L); padding may be on either side."""
    places = torch.arange(mask.shape[1]) * mask
    if how == "mean":
        return (states * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
    chosen = places.argmax(1) if how == "last" else mask.argmax(1)
    return states[torch.arange(len(states)), chosen]


def _features(answer: Any) -> Tensor:
    """Return (B, D) from what a model answers: a tensor, or an output with one pooled vector."""
    if isinstance(answer, Tensor):
        return answer
    pooled = getattr(answer, "pooler_output", None)
    if pooled is None:
        pooled = answer.last_hidden_state.flatten(2).mean(1)
    if not isinstance(pooled, Tensor) or pooled.ndim not in (2, 4):
        raise ValueError("it gives no single vector for each entry")
    return pooled.flatten(1)
