"""Language models that write one sentence: an endpoint that speaks OpenAI's protocol, or a folder.

What they write is never believed: `serve` checks it against the facts that it was made from. Only
workers come here; the web process asks nobody and loads nothing.
"""

from __future__ import annotations

import json
import time
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

TIMEOUT_S = 10.0  # from asking to the last byte
MOST_BYTES = 65_536
MOST_TOKENS = 120


class NarratorFailure(Exception):
    """Say how a language model failed to give a text."""


class Narrator(Protocol):
    """Something that answers two messages with a text."""

    def write(self, task: str, facts: str) -> str:
        """Return what the model answers. Raises: NarratorFailure."""
        ...


def problem_of(setting: str) -> str | None:
    """Say what is wrong with a setting, or None; nothing is loaded and nobody is asked."""
    kind, _, rest = setting.partition(":")
    if not setting or (kind == "folder" and rest.strip()):
        return None
    if kind != "openai":
        return "Use openai:<base_url>#<model> or folder:<path>, or unset it for templates."
    base, _, model = rest.partition("#")
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname or not model:
        return f"{rest!r} is not <base_url>#<model> with an address that starts with http(s)://."
    if parts.username or parts.password or parts.query:
        return "An openai: address holds no password and no query; set NARRATOR_API_KEY."
    return None


@lru_cache(maxsize=1)
def load_narrator(setting: str, key: str = "") -> Narrator:
    """Return the narrator of a setting, kept for this process.

    Raises: NarratorFailure when the setting is wrong or the folder holds no model.
    """
    problem = problem_of(setting)
    if problem or not setting:
        raise NarratorFailure(problem or "No language model is set.")
    kind, _, rest = setting.partition(":")
    if kind == "openai":
        return EndpointNarrator(rest, key)
    return FolderNarrator(Path(rest).expanduser())


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_args: Any) -> None:
        return None  # the redirect becomes the HTTPError that it is


class EndpointNarrator:
    """Ask a server: POST {base_url}/chat/completions. Redirects are not followed."""

    def __init__(self, rest: str, key: str = "", timeout_s: float = TIMEOUT_S) -> None:
        """Take `<base_url>#<model>` and the key; nobody is asked yet."""
        base, _, self._model = rest.partition("#")
        self._address = f"{base.rstrip('/')}/chat/completions"
        self._key = key
        self._timeout_s = timeout_s

    def write(self, task: str, facts: str) -> str:
        """Return the model's answer to one task. Raises: NarratorFailure."""
        body = {
            "model": self._model,
            "messages": [{"role": "system", "content": task}, {"role": "user", "content": facts}],
            "temperature": 0,
            "max_tokens": MOST_TOKENS,
            "stream": False,
        }
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        # The scheme was checked to be http(s) before the setting got here.
        request = Request(self._address, json.dumps(body).encode(), headers)  # noqa: S310
        deadline = time.monotonic() + self._timeout_s
        try:
            with build_opener(_Stay).open(request, timeout=self._timeout_s) as answer:
                raw = _read(answer, deadline)
        except HTTPError as error:
            with error:  # it holds the connection
                raise NarratorFailure(f"{self._address} answered {error.code}.") from None
        except (OSError, HTTPException) as error:
            raise NarratorFailure(f"{self._address} cannot be reached ({error}).") from None
        try:
            text = json.loads(raw)["choices"][0]["message"]["content"]
        except (ValueError, TypeError, KeyError, IndexError) as error:
            words = f"{type(error).__name__}: {error}"[:120]
            raise NarratorFailure(f"Its answer is no chat completion ({words}).") from None
        if not isinstance(text, str):
            raise NarratorFailure("Its answer is no chat completion (content is no text).")
        return text


def _read(answer: Any, deadline: float) -> bytes:
    """Read a bounded body; a server that sends a byte now and then does not hold us either."""
    raw = b""
    while part := answer.read1(MOST_BYTES):
        raw += part
        if len(raw) > MOST_BYTES:
            raise NarratorFailure(f"Its answer has more than {MOST_BYTES} bytes.")
        if time.monotonic() > deadline:
            raise NarratorFailure("Its answer takes too long.")
    return raw


class FolderNarrator:
    """Run a model of a local folder: GGUF by llama-cpp-python, else transformers."""

    def __init__(self, path: Path) -> None:
        """Load the model. Raises: NarratorFailure naming what is missing."""
        files = sorted(path.glob("*.gguf")) if path.is_dir() else [path]
        try:
            if files and files[0].suffix == ".gguf" and files[0].is_file():
                self._answer = _gguf(files[0])
            elif (path / "config.json").is_file():
                self._answer = _transformers(path)
            else:
                raise NarratorFailure(f"{path} holds neither a .gguf file nor a config.json.")
        except ImportError as error:
            name = "llama-cpp-python" if error.name == "llama_cpp" else error.name
            raise NarratorFailure(f"{path} needs {name}: pip install {name}.") from None
        except (OSError, ValueError, RuntimeError) as error:
            raise NarratorFailure(f"{path} cannot be loaded ({str(error)[:200]}).") from None

    def write(self, task: str, facts: str) -> str:
        """Return the model's answer to one task. Raises: NarratorFailure."""
        messages = [{"role": "system", "content": task}, {"role": "user", "content": facts}]
        try:
            return str(self._answer(messages))
        except (RuntimeError, ValueError, KeyError, IndexError, TypeError) as error:
            raise NarratorFailure(f"The model failed ({str(error)[:200]}).") from None


def _gguf(file: Path) -> Any:
    from llama_cpp import Llama  # optional: not among the requirements

    model = Llama(model_path=str(file), n_ctx=2048, n_threads=1, verbose=False)

    def answer(messages: list[dict[str, str]]) -> str:
        made = model.create_chat_completion(messages, temperature=0.0, max_tokens=MOST_TOKENS)
        return str(made["choices"][0]["message"]["content"])

    return answer


def _transformers(path: Path) -> Any:
    from transformers import pipeline  # optional: not among the requirements

    model = pipeline("text-generation", model=str(path))

    def answer(messages: list[dict[str, str]]) -> str:
        made = model(messages, max_new_tokens=MOST_TOKENS, do_sample=False)
        return str(made[0]["generated_text"][-1]["content"])

    return answer
