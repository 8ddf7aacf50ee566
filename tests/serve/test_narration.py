"""Sentences by a language model: asked once, checked, never waited for, silent when it fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from recommender import clock
from recommender.serve import narration, services
from recommender.serve.models import Narration
from tests.serve.conftest import World

STATE = Narration.State


class Model:
    """Answer with a fixed text, or raise it."""

    def __init__(self, says: str | Exception) -> None:
        self.says, self.asked = says, []

    def __call__(self) -> Model:
        return self

    def write(self, task: str, facts: str) -> str:
        self.asked.append((task, facts))
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


@pytest.fixture
def why(world: World, settings):
    settings.NARRATOR = "openai:http://127.0.0.1:1/v1#tiny"
    user = world.user(0, *range(22, 30))
    answer = services.recommend(world.ask(user, limit=20))
    item = next(i for i in answer.items if i.external_id == world.items[21].external_id)
    return services.explain_token(item.token, user)


def good(why) -> str:
    causes = " and ".join(f"“{named.title}”" for named in why.facts.cited)
    return f"You liked {causes}, so “{why.title}” may suit you."


def test_the_facts_are_the_reasons_the_page_shows(why, world: World):
    assert why.facts.shown.title == why.title
    assert why.facts.shown.kinds == ("Horror",)
    assert [named.title for named in why.facts.cited] == [
        reason.params["title"] for reason in why.reasons
    ]
    assert {named.act for named in why.facts.cited} == {"rated"}
    assert why.facts.told == tuple(reason.text for reason in why.reasons)


def test_a_sentence_is_asked_for_once_and_then_kept(why):
    row, is_asked = narration.ask(why)
    assert (row.state, is_asked) == (STATE.ASKED, True)
    assert narration.ask(why) == (row, False)
    model = Model(good(why))
    narration.write(narration.asked(row.pk), model)
    assert narration.find(why).text == good(why)
    assert narration.ask(why)[1] is False
    assert narration.asked(row.pk) is None
    assert len(model.asked) == 1


def test_without_the_setting_nothing_is_asked_or_read(why, settings, django_assert_num_queries):
    settings.NARRATOR = ""
    with django_assert_num_queries(0):
        assert narration.ask(why) == (None, False)
        assert narration.find(why) is None


def test_what_the_check_refuses_is_never_shown_and_not_asked_again(why):
    row, _ = narration.ask(why)
    narration.write(row, Model("Buy “Film 7” now for $3!"))
    row.refresh_from_db()
    assert (row.state, row.text) == (STATE.REFUSED, "")
    assert row.problem
    with clock.at(clock.now() + timedelta(days=1)):
        assert narration.ask(why) == (row, False)


def test_a_model_that_fails_is_asked_again_after_a_while(why):
    row, _ = narration.ask(why)
    narration.write(row, Model(OSError("gone")))
    assert (row.state, row.problem) == (STATE.FAILED, "OSError: gone")
    assert narration.ask(why)[1] is False
    with clock.at(clock.now() + timedelta(minutes=11)):
        assert narration.ask(why)[1] is True
        assert narration.ask(why)[1] is False


def test_a_question_that_a_dead_worker_took_along_is_asked_again(why):
    narration.ask(why)
    with clock.at(clock.now() + timedelta(seconds=61)):
        assert narration.ask(why)[1] is True


def test_three_failures_in_a_row_give_the_model_a_pause(why):
    whys = [replace(why, facts=replace(why.facts, told=(str(n),))) for n in range(6)]
    for each in whys[:3]:
        row, _ = narration.ask(each)
        narration.write(row, Model(OSError("gone")))
    assert narration.is_paused()
    assert narration.ask(whys[3]) == (None, False)
    waiting = Narration.objects.create(
        key="k", facts=why.facts.as_dict(), model="m", asked_at=clock.now()
    )
    model = Model(good(why))
    narration.write(waiting, model)
    assert (waiting.state, model.asked) == (STATE.FAILED, [])
    with clock.at(clock.now() + timedelta(seconds=61)):
        assert not narration.is_paused()
        row, is_asked = narration.ask(whys[4])
        assert is_asked
        narration.write(row, model)
    assert row.state == STATE.READY


def test_one_answer_ends_a_row_of_failures(why):
    whys = [replace(why, facts=replace(why.facts, told=(str(n),))) for n in range(3)]
    for each, says in zip(whys, (OSError("a"), good(why), OSError("b")), strict=True):
        row, _ = narration.ask(each)
        narration.write(row, Model(says))
    assert not narration.is_paused()


def test_a_narrator_that_cannot_be_loaded_is_a_failure_too(why):
    row, _ = narration.ask(why)

    def load() -> Model:
        raise RuntimeError("no such folder")

    assert narration.write(row, load).problem == "RuntimeError: no such folder"


def test_another_language_or_model_is_another_question(why, settings):
    first, _ = narration.ask(why)
    settings.NARRATOR = "folder:/models/other"
    second, is_asked = narration.ask(why)
    assert is_asked and second.pk != first.pk
    chinese = replace(why, facts=replace(why.facts, language="zh-hans"))
    assert narration.ask(chinese)[0].pk not in (first.pk, second.pk)


def test_sentences_are_forgotten_after_a_week(why):
    narration.ask(why)
    assert narration.forget_old(before=clock.now() - narration.KEPT) == 0
    assert narration.forget_old(before=clock.now() + timedelta(seconds=1)) == 1
    assert not Narration.objects.exists()
