"""The page on why an item was shown, where a language model may word it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from recommender import tasks
from recommender.jobs.models import Job
from recommender.ml import narrators
from recommender.pages import views
from recommender.serve.answers import Explanation, ItemWhy, Reason
from recommender.serve.facts import Facts, Named
from tests.pages.conftest import NOW, World


def _told(world: World, settings: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set a model, and explain by one liked item whatever is asked for."""
    settings.NARRATOR = "openai:http://127.0.0.1:1/v1#tiny"
    facts = Facts("en", Named("Ronin"), (Named("Heat & Co", (), "rated", 5.0),), ())
    found = ItemWhy(
        *(world.items[0].pk, world.items[0].external_id, "Ronin", 1, NOW, "v2", "v2", "neural"),
        is_replayed=True,
        score=1.0,
        reasons=(Reason("rated_item", {"title": "Heat & Co", "stars": 5.0}),),
        explanation=Explanation(1.0, (), ()),
        facts=facts,
    )
    monkeypatch.setattr(views.serve, "explain_token", lambda token, user: found)
    return "You liked “Heat & Co”."


def test_why_shows_the_reasons_at_once_and_the_sentence_when_it_has_come(
    world: World, client: Client, settings, monkeypatch
):
    sentence = _told(world, settings, monkeypatch)
    page = client.get("/why/token/").content.decode()
    assert 'data-sentence="/why/token/sentence/"' in page
    assert "You rated “Heat &amp; Co” 5 stars" in page
    assert client.get("/why/token/sentence/").status_code == 202
    assert client.get("/why/token/sentence/").status_code == 202
    (job,) = Job.objects.filter(task="recommender.narrate")
    monkeypatch.setattr(narrators, "load_narrator", lambda *_: Saying(sentence))
    tasks.narrate(**job.kwargs)
    answer = client.get("/why/token/sentence/")
    assert answer.status_code == 200
    assert "<p>You liked “Heat &amp; Co”.</p>" in answer.content.decode()
    page = client.get("/why/token/").content.decode()
    assert "data-sentence" not in page  # kept: nothing to fetch
    assert "Written by a language model from these facts:" in page
    assert page.index("Written by a language model") < page.index("You rated “Heat &amp; Co”")


@pytest.mark.parametrize("says", ["You bought “Heat & Co” for $3.", "<b>Hello</b>", ""])
def test_a_sentence_that_is_no_fact_leaves_the_reasons_alone(
    world: World, client: Client, settings, monkeypatch, says: str
):
    _told(world, settings, monkeypatch)
    client.get("/why/token/sentence/")
    monkeypatch.setattr(narrators, "load_narrator", lambda *_: Saying(says))
    tasks.narrate(**Job.objects.get(task="recommender.narrate").kwargs)
    assert client.get("/why/token/sentence/").status_code == 204
    page = client.get("/why/token/").content.decode()
    assert "language model" not in page
    assert "You rated “Heat &amp; Co” 5 stars" in page


def test_without_a_model_the_page_asks_for_no_sentence(world: World, client: Client):
    token = re.search(r'data-token="([^"]+)"', client.get("/").content.decode()).group(1)
    assert "data-sentence" not in client.get(f"/why/{token}/").content.decode()
    assert client.get(f"/why/{token}/sentence/").status_code == 204
    assert not Job.objects.exists()


class Saying:
    def __init__(self, text: str) -> None:
        self.text = text

    def write(self, task: str, facts: str) -> str:
        return self.text
