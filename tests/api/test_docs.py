"""The documentation page, and its code: every line runs against the application."""

import io
import json
import shlex
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from html.parser import HTMLParser
from urllib.request import Request, urlopen

import pytest

from recommender.accounts.keys import SCOPES, forget_table, make_key
from recommender.api import snippets
from recommender.api.problems import KINDS
from recommender.api.schema import document
from tests import factories
from tests.api.conftest import Api, assert_conforms


def curl(command: str) -> dict:
    """Do what a curl command says, understanding only the options that the page uses."""
    words = shlex.split(command.replace("\\\n", " "))
    assert words.pop(0) == "curl"
    request = Request(words.pop(0))
    while words:
        option, value = words.pop(0), words.pop(0)
        if option == "-X":
            request.method = value
        elif option == "-H":
            request.add_header(*value.split(": ", 1))
        else:
            assert option == "-d"
            request.data = value.encode()
    with urlopen(request) as response:
        return json.load(response)


def python(code: str) -> dict:
    """Run the code as it stands and return its `answer`."""
    names: dict = {}
    with redirect_stdout(io.StringIO()):
        exec(compile(code, "snippet", "exec"), names)
    return names["answer"]


def javascript(code: str) -> dict:
    """Run the code in Node and return what it logs."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    code = code.replace("console.log(answer)", "console.log(JSON.stringify(answer))")
    script = f"(async () => {{ {code} }})()"
    done = subprocess.run([node, "-e", script], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def key(transactional_db) -> str:
    catalog = factories.make_catalog(slug="films")
    for _ in range(3):
        factories.make_item(catalog)
    _row, plaintext = make_key(
        catalog=catalog, name="docs", kind="sk", scopes=SCOPES, created_by="test"
    )
    forget_table()
    return plaintext


@pytest.mark.parametrize("language", ["curl", "python", "javascript"])
def test_every_snippet_runs_in_order(language, key, live_server):
    run = getattr(sys.modules[__name__], language)
    answers = {}
    for snippet in snippets.SNIPPETS:
        code = getattr(snippets.render(snippet, live_server.url, key), language)
        token = answers["get-list"]["items"][0]["token"] if "get-list" in answers else ""
        answers[snippet.name] = run(code.replace("TOKEN", token))
    assert_conforms(answers["put-item"], "ItemOutput")
    assert (answers["send-events"]["accepted"], answers["send-token"]["accepted"]) == (1, 2)
    for name in ("get-list", "rank", "similar", "search"):
        assert_conforms(answers[name], "ListOutput")
    assert answers["search"]["items"][0]["item"] == "demo-1"
    assert answers["metrics"]["series"][0]["clicks"] == 1
    assert_conforms(answers["loop"], "LoopOutput")


class Page(HTMLParser):
    """Collects ids, fragment links and everything that a strict policy would block."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.fragments: set[str] = set()
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if found.get("id"):
            self.ids.append(found["id"])
        if (found.get("href") or "").startswith("#"):
            self.fragments.add(found["href"][1:])
        if tag == "script" and not found.get("src"):
            self.inline.append(tag)
        self.inline += [name for name in found if name.startswith("on") or name == "style"]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_page_shows_every_operation_and_every_snippet(language, catalog):
    response = Api(None).get("/api/docs/", **{"Accept-Language": language})
    text = response.content.decode()
    assert response.status_code == 200
    for path in document("en")["paths"]:
        assert path in text
    assert text.count("data-snippet") == len(snippets.SNIPPETS)


def test_the_page_obeys_its_own_content_policy_and_its_links_lead_somewhere(catalog):
    page = Page(Api(None).get("/api/docs/").content.decode())
    assert page.inline == []
    assert len(page.ids) == len(set(page.ids))
    assert page.fragments <= set(page.ids)


@pytest.mark.parametrize("code", KINDS)
def test_every_kind_of_problem_has_a_page(code, catalog):
    response = Api(None).get(f"/api/problems/{code}/")
    assert (response.status_code, response["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert str(KINDS[code].status) in response.content.decode()


def test_a_kind_that_does_not_exist_has_none(catalog):
    assert Api(None).get("/api/problems/nonsense/").status_code == 404
