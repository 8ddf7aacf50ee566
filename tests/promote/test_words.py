import pytest
from django.utils import translation

from recommender.promote import words
from recommender.promote.gates import decide
from tests.promote.test_gates import (
    CHALLENGER,
    FIRST,
    POPULARITY,
    REFRESH,
    UNSURE,
    beside,
    replace,
)

EVERY = [
    CHALLENGER,
    FIRST,
    POPULARITY,
    REFRESH,
    replace(CHALLENGER, against_champion=None, against_popularity=UNSURE, coverage=0.0),
    replace(CHALLENGER, artifact_fault="item_ids.npy: it is gone", lists=[]),
    replace(REFRESH, against_champion=replace(UNSURE, low=float("nan"))),
    *[
        replace(evidence, new_users=beside(low, 0.0), new_items=beside(-0.2, -0.1, n=n))
        for evidence in (CHALLENGER, FIRST)
        for low, n in ((-0.1, 5), (-0.1, 50))
    ],
    replace(FIRST, new_users=beside(-0.2, -0.1)),
]


@pytest.mark.parametrize("evidence", EVERY)
def test_every_check_is_said_in_full_with_no_placeholder_left(evidence):
    verdict = decide(evidence).as_json()
    for check in verdict["checks"]:
        text = words.check_sentence(check)
        assert text == check["text"]
        assert text.endswith(".") or check["detail"]
        assert "%(" not in text
        assert "None" not in text


def test_a_verdict_read_from_json_says_the_same_as_when_it_was_made():
    verdict = decide(CHALLENGER)
    assert words.verdict_sentence(verdict.as_json()) == verdict.sentence


def test_the_kept_text_is_english_whatever_language_decided():
    with translation.override("zh-hans"):
        assert decide(CHALLENGER).sentence.startswith("It passed the gate")


def test_the_sentence_follows_the_language_of_the_reader(monkeypatch):
    monkeypatch.setattr(words, "gettext", lambda text: text.replace("kept back", "留下"))
    verdict = decide(replace(CHALLENGER, coverage=0.0)).as_json()
    assert words.verdict_sentence(verdict).startswith("It was 留下.")


def test_a_check_of_another_release_is_shown_as_it_was_written():
    assert words.check_sentence({"name": "calibration", "text": "Well calibrated."}) == (
        "Well calibrated."
    )


def test_a_check_without_its_number_of_people_is_still_told():
    told = words.check_sentence({"name": "new_users", "passed": True, "value": None})
    assert told.startswith("Newcomers, after three events: not judged, n = 0")
