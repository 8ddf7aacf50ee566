"""The chat endpoint, against a server on this machine that lies, hangs and floods on demand."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from recommender.ml.narrators import (
    EndpointNarrator,
    FolderNarrator,
    NarratorFailure,
    load_narrator,
    problem_of,
)


class Server(ThreadingHTTPServer):
    """Answer every chat with `says`; a number is a status, bytes are the raw body."""

    daemon_threads = True

    def __init__(self, says="A sentence."):
        super().__init__(("127.0.0.1", 0), Handler)
        self.says, self.asked, self.keys, self.drip_s = says, [], [], 0.0

    @property
    def rest(self):
        return f"http://127.0.0.1:{self.server_port}/v1/#tiny"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        server = self.server
        server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        server.keys.append(self.headers["Authorization"])
        says = server.says
        if isinstance(says, int):
            self.send_response(says)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            return
        body = says
        if isinstance(says, str):
            body = json.dumps({"choices": [{"message": {"content": says}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            for at in range(0, len(body), 1 if server.drip_s else len(body)):
                self.wfile.write(body[at : at + 1] if server.drip_s else body)
                self.wfile.flush()
                time.sleep(server.drip_s)
        except OSError:
            pass  # whoever asked has left

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = Server()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def test_a_good_server_is_sent_task_and_facts_apart(server):
    narrator = load_narrator(f"openai:{server.rest}", "secret")
    assert narrator.write("Do this.", '{"title": "Heat"}') == "A sentence."
    (asked,) = server.asked
    assert [message["role"] for message in asked["messages"]] == ["system", "user"]
    assert asked["messages"][1]["content"] == '{"title": "Heat"}'
    assert (asked["model"], asked["temperature"], asked["max_tokens"]) == ("tiny", 0, 120)
    assert server.keys == ["Bearer secret"]


@pytest.mark.parametrize("says", [500, 404, 302])
def test_an_error_or_redirect_is_a_failure_and_is_not_followed(server, says):
    server.says = says
    with pytest.raises(NarratorFailure, match=f"answered {says}"):
        EndpointNarrator(server.rest).write("a", "b")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "says",
    [b"<html>Hello</html>", b"[]", b'{"choices": []}', b'{"choices": [{"message": {}}]}', b""],
)
def test_what_is_no_chat_completion_is_a_failure(server, says):
    server.says = says
    with pytest.raises(NarratorFailure, match="no chat completion"):
        EndpointNarrator(server.rest).write("a", "b")


def test_content_that_is_no_text_is_a_failure(server):
    server.says = b'{"choices": [{"message": {"content": ["a"]}}]}'
    with pytest.raises(NarratorFailure, match="content is no text"):
        EndpointNarrator(server.rest).write("a", "b")


def test_a_flood_is_cut_off(server):
    server.says = "x" * 1_000_000
    with pytest.raises(NarratorFailure, match="more than 65536 bytes"):
        EndpointNarrator(server.rest).write("a", "b")


def test_a_server_that_drips_does_not_hold_us(server):
    server.drip_s = 0.05
    began = time.monotonic()
    with pytest.raises(NarratorFailure, match="takes too long"):
        EndpointNarrator(server.rest, timeout_s=0.2).write("a", "b")
    assert time.monotonic() - began < 2


def test_nobody_there_is_a_failure(server):
    rest = server.rest
    server.server_close()
    with pytest.raises(NarratorFailure, match="cannot be reached"):
        EndpointNarrator(rest, timeout_s=1).write("a", "b")


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("", None),
        ("openai:http://127.0.0.1:11434/v1#qwen3", None),
        ("folder:/models/small", None),
        ("folder:", "Use openai:"),
        ("gpt", "Use openai:"),
        ("openai:ftp://host#m", "starts with http"),
        ("openai:http://host/v1", "starts with http"),
        ("openai:http://me:pw@host/v1#m", "NARRATOR_API_KEY"),
    ],
)
def test_a_setting_is_judged_without_asking_anybody(setting, problem):
    found = problem_of(setting)
    assert found is None if problem is None else problem in found


def test_without_a_setting_nothing_can_be_loaded():
    with pytest.raises(NarratorFailure, match="No language model is set"):
        load_narrator("")


def test_a_folder_without_a_model_says_so(tmp_path):
    with pytest.raises(NarratorFailure, match=r"neither a \.gguf file nor a config\.json"):
        FolderNarrator(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(NarratorFailure, match=r"cannot be loaded|needs transformers"):
        FolderNarrator(tmp_path)


def test_a_local_model_writes_from_its_folder(tmp_path):
    """A model of random weights: what it writes is noise, but it is text, and cut off."""
    import tokenizers
    import transformers

    words = {word: number for number, word in enumerate(["<unk>", "<end>", "you", "liked", "it"])}
    plain = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    plain.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain, unk_token="<unk>", eos_token="<end>", pad_token="<end>"
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    tokenizer.save_pretrained(tmp_path)
    config = transformers.GPT2Config(
        vocab_size=5, n_embd=8, n_layer=1, n_head=1, bos_token_id=1, eos_token_id=1
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    text = load_narrator(f"folder:{tmp_path}").write("you liked it", "it")
    assert set(text.split()) <= set(words)
    assert len(text.split()) <= 120
