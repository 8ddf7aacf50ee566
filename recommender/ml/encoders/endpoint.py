"""Any embeddings endpoint that speaks OpenAI's protocol: POST {base_url}/embeddings.

Texts leave the machine for the address that the operator set, and for no other: redirects are not
followed.
"""

import json
import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

import numpy as np

from recommender.errors import NotReady
from recommender.ml.encoders.base import NotAvailable, TextEncoder, Vectors, short_id

AT_ONCE = 32  # texts per request
TIMEOUT_S = 30.0
PAUSES_S = (1.0, 4.0, 15.0)  # before each further try
MOST_PAUSE_S = 60.0  # however long a server asks to wait
MOST_BYTES = 64_000_000
MOST_DIMENSIONS = 16_384


class EndpointFailure(NotReady):
    """An endpoint that did not answer with vectors, and how."""


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_args: Any) -> None:
        return None  # the redirect becomes the HTTPError that it is


class EndpointEncoder(TextEncoder):
    """Ask a server; its first answer says how many dimensions there are."""

    def __init__(
        self, name: str, key: str = "", sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Take `openai:<base_url>#<model>` and the key, and ask for one vector.

        Raises: NotAvailable when the endpoint gives none.
        """
        base, _, self._model = name.partition(":")[2].partition("#")
        self._address = f"{base.rstrip('/')}/embeddings"
        self._key = key
        self._sleep = sleep
        self.id = short_id(name)
        self.dimension = 0
        try:
            self.dimension = self._ask(["dimension"]).shape[1]
        except EndpointFailure as failure:
            raise NotAvailable(
                f"The endpoint {self._address} gave no vector: {failure} Check ENCODER_TEXT, "
                "ENCODER_API_KEY and that the server runs."
            ) from None
        # A server does not say which weights it runs; another width is all that can be noticed.
        self.version = f"width {self.dimension}"

    def _run(self, entries: list[str]) -> Vectors:
        parts = [
            self._ask(entries[start : start + AT_ONCE]) for start in range(0, len(entries), AT_ONCE)
        ]
        return np.concatenate(parts)

    def _ask(self, texts: list[str]) -> Vectors:
        """Return (len(texts), D), after up to three more tries. Raises: EndpointFailure."""
        body = {"model": self._model, "input": texts, "encoding_format": "float"}
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        # The scheme was checked to be http(s) before the name got here.
        request = Request(self._address, json.dumps(body).encode(), headers)  # noqa: S310
        for pause in (*PAUSES_S, None):
            try:
                with build_opener(_Stay).open(request, timeout=TIMEOUT_S) as answer:
                    return self._rows(answer.read(MOST_BYTES + 1), len(texts))
            except HTTPError as error:
                with error:  # it holds the connection
                    failure, wait = _refusal(error), _asked_pause(error)
                if error.code != 429 and error.code < 500:
                    raise failure from None
            except (OSError, HTTPException) as error:
                failure, wait = EndpointFailure(f"It cannot be reached ({error})."), 0.0
            if pause is not None:
                self._sleep(min(max(pause, wait), MOST_PAUSE_S))
        raise failure

    def _rows(self, raw: bytes, n: int) -> Vectors:
        if len(raw) > MOST_BYTES:
            raise EndpointFailure(f"Its answer has more than {MOST_BYTES // 1_000_000} MB.")
        try:
            entries = sorted(json.loads(raw)["data"], key=lambda entry: int(entry["index"]))
            rows = np.array([entry["embedding"] for entry in entries], dtype=np.float32)
        except (ValueError, TypeError, KeyError) as error:
            words = f"{type(error).__name__}: {error}"[:120]
            raise EndpointFailure(f"Its answer is not a list of embeddings ({words}).") from None
        if rows.ndim != 2 or len(rows) != n or not 0 < rows.shape[1] <= MOST_DIMENSIONS:
            raise EndpointFailure(f"It was sent {n} texts and answered with shape {rows.shape}.")
        if self.dimension and rows.shape[1] != self.dimension:
            raise EndpointFailure(
                f"It now gives {rows.shape[1]} dimensions and gave {self.dimension} before."
            )
        return rows


def _refusal(error: HTTPError) -> EndpointFailure:
    try:
        words = error.read(500).decode("utf-8", "replace").strip()
    except (OSError, HTTPException):
        words = ""
    return EndpointFailure(f"It answered {error.code} {error.reason}. {words}".strip())


def _asked_pause(error: HTTPError) -> float:
    try:
        return max(0.0, float(error.headers.get("Retry-After") or 0))
    except ValueError:  # a date
        return 0.0
