"""The embeddings endpoint, against a server on this machine that misbehaves on demand."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from recommender.ml.encoders import NotAvailable
from recommender.ml.encoders.endpoint import EndpointEncoder, EndpointFailure


class Server(ThreadingHTTPServer):
    """Answer with vectors that tell the text's length, after the planned mishaps."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.keys, self.mishaps = [], [], []

    @property
    def name(self):
        return f"openai:http://127.0.0.1:{self.server_port}/v1/#tiny"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        self.server.keys.append(self.headers["Authorization"])
        mishap = self.server.mishaps.pop(0) if self.server.mishaps else None
        if mishap == "hang up":
            self.close_connection = True
        elif isinstance(mishap, int):
            self.answer(mishap, b"no such model")
        else:
            rows = [{"index": n, "embedding": [len(t), 0, 1]} for n, t in enumerate(body["input"])]
            answer = {"data": rows[::-1]} if mishap is None else mishap
            self.answer(200, answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    def answer(self, code, raw):
        self.send_response(code)
        self.send_header("Retry-After", "7")
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    made = Server()
    thread = threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def encoder(server, naps=None, key=""):
    return EndpointEncoder(server.name, key, (naps if naps is not None else []).append)


def test_the_first_answer_says_how_wide_vectors_are(server):
    made = encoder(server)
    assert (made.id, made.version, made.dimension) == (server.name, "width 3", 3)
    assert server.asked[0] == (
        "/v1/embeddings",
        {"model": "tiny", "input": ["dimension"], "encoding_format": "float"},
    )


def test_texts_go_in_batches_and_come_back_in_their_order(server):
    texts = ["x" * n for n in range(70)]
    rows = encoder(server).encode(texts)
    assert [len(body["input"]) for _, body in server.asked[1:]] == [32, 32, 5]  # not the empty one
    assert not rows[0].any()
    lengths = np.arange(1, 70)
    expected = np.stack([lengths, 0 * lengths, 0 * lengths + 1], 1) / np.hypot(lengths, 1)[:, None]
    np.testing.assert_allclose(rows[1:], expected, atol=1e-6)


def test_the_key_is_sent_when_there_is_one(server):
    encoder(server)
    encoder(server, key="sk-1")
    assert server.keys == [None, "Bearer sk-1"]


@pytest.mark.parametrize("mishap", [429, 500, 503, "hang up"])
def test_a_busy_server_is_asked_again_after_growing_pauses(server, mishap):
    made, naps = encoder(server), []
    made._sleep = naps.append
    server.mishaps = [mishap, mishap]
    assert made.encode(["one"]).any()
    assert naps == ([1.0, 4.0] if mishap == "hang up" else [7.0, 7.0])  # as the server asked


@pytest.mark.parametrize("code", [400, 401, 404])
def test_a_refusal_is_final_and_in_the_servers_words(server, code):
    naps = []
    server.mishaps = [code]
    with pytest.raises(NotAvailable, match=rf"It answered {code} .*no such model.*ENCODER_API_KEY"):
        encoder(server, naps)
    assert naps == []


def test_a_redirect_is_not_followed(server):
    server.mishaps = [302]
    with pytest.raises(NotAvailable, match="It answered 302"):
        encoder(server)
    assert len(server.asked) == 1


def test_a_server_that_never_answers_is_given_up(server):
    made, naps = encoder(server), []
    made._sleep = naps.append
    server.mishaps = ["hang up"] * 4
    with pytest.raises(EndpointFailure, match="cannot be reached"):
        made.encode(["one"])
    assert len(naps) == 3


def test_no_server_is_an_error_that_says_what_to_check():
    with pytest.raises(NotAvailable, match=r"127\.0\.0\.1:9/v1/embeddings gave no vector"):
        EndpointEncoder("openai:http://127.0.0.1:9/v1#m", sleep=lambda seconds: None)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"<html>", "not a list of embeddings"),
        ({"data": []}, "sent 1 texts and answered with shape"),
        ({"data": [{"index": 0, "embedding": "abc"}]}, "not a list of embeddings"),
        ({"data": [{"index": 0, "embedding": [1, "x"]}]}, "not a list of embeddings"),
        ({"data": [{"index": 0, "embedding": [1]}]}, "now gives 1 dimensions and gave 3"),
        ({"data": [{"index": 0, "embedding": []}]}, "shape"),
        ({"data": None}, "not a list"),
        ([], "not a list"),
    ],
)
def test_an_answer_that_is_no_vector_is_named(server, answer, words):
    made = encoder(server)
    server.mishaps = [answer]
    with pytest.raises(EndpointFailure, match=words):
        made.encode(["one"])


def test_a_number_that_is_none_gives_zeros(server):
    made = encoder(server)
    server.mishaps = [b'{"data": [{"index": 0, "embedding": [NaN, 1, 2]}]}']
    told = []
    assert not made.encode(["one"], lambda *what: told.append(what)).any()
    assert told[0][0] == 0
