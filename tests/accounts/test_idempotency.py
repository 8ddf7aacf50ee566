from datetime import timedelta

import pytest

from recommender.accounts.idempotency import abandon, begin, finish, forget_old_replies
from recommender.accounts.keys import make_key
from recommender.accounts.models import ApiKey, IdempotentReply
from tests.factories import make_catalog

pytestmark = pytest.mark.django_db


@pytest.fixture
def key() -> ApiKey:
    row, _plaintext = make_key(
        catalog=make_catalog(), name="k", kind="sk", scopes=["events"], created_by=""
    )
    return row


def answer(reply: IdempotentReply) -> None:
    finish(
        reply=reply,
        status=202,
        content_type="application/json",
        headers={"Location": "/x"},
        body=b"\x00{}",
    )


def age(reply: IdempotentReply, by: timedelta) -> None:
    IdempotentReply.objects.filter(pk=reply.pk).update(created_at=reply.created_at - by)


def test_the_first_answer_is_replayed_byte_for_byte(key):
    first = begin(key=key, idempotency_key="a", request_hash="h")
    assert first.state == "first"
    answer(first.reply)
    again = begin(key=key, idempotency_key="a", request_hash="h")
    assert again.state == "replay"
    assert (again.reply.status, bytes(again.reply.body)) == (202, b"\x00{}")
    assert again.reply.headers == {"Location": "/x"}
    assert again.reply.content_type == "application/json"


def test_a_second_request_meets_the_first_one_at_work(key):
    begin(key=key, idempotency_key="a", request_hash="h")
    assert begin(key=key, idempotency_key="a", request_hash="h").state == "in_flight"


@pytest.mark.parametrize("is_answered", [True, False])
def test_another_request_under_the_same_key_is_a_mismatch(key, is_answered):
    first = begin(key=key, idempotency_key="a", request_hash="h")
    if is_answered:
        answer(first.reply)
    assert begin(key=key, idempotency_key="a", request_hash="other").state == "mismatch"


def test_two_callers_may_use_the_same_word(key):
    other, _ = make_key(catalog=key.catalog, name="o", kind="sk", scopes=["events"], created_by="")
    begin(key=key, idempotency_key="a", request_hash="h")
    assert begin(key=other, idempotency_key="a", request_hash="x").state == "first"


def test_what_failed_before_doing_anything_may_be_sent_again(key):
    first = begin(key=key, idempotency_key="a", request_hash="h")
    abandon(reply=first.reply)
    assert begin(key=key, idempotency_key="a", request_hash="h").state == "first"


def test_an_answer_is_not_abandoned(key):
    first = begin(key=key, idempotency_key="a", request_hash="h")
    answer(first.reply)
    abandon(reply=first.reply)
    assert begin(key=key, idempotency_key="a", request_hash="h").state == "replay"


def test_a_request_whose_process_died_is_taken_over_by_one_other(key):
    first = begin(key=key, idempotency_key="a", request_hash="h")
    age(first.reply, timedelta(minutes=3))
    assert begin(key=key, idempotency_key="a", request_hash="h").state == "first"
    assert begin(key=key, idempotency_key="a", request_hash="h").state == "in_flight"


def test_after_a_day_a_key_is_new_again(key):
    first = begin(key=key, idempotency_key="a", request_hash="h")
    answer(first.reply)
    age(first.reply, timedelta(hours=23, minutes=59))
    assert begin(key=key, idempotency_key="a", request_hash="h").state == "replay"
    age(first.reply, timedelta(hours=24, seconds=1))
    assert begin(key=key, idempotency_key="a", request_hash="other").state == "first"


def test_old_answers_are_swept(key):
    for name in ("old", "new"):
        begin(key=key, idempotency_key=name, request_hash="h")
    age(IdempotentReply.objects.get(idempotency_key="old"), timedelta(hours=25))
    assert forget_old_replies() == 1
    assert IdempotentReply.objects.get().idempotency_key == "new"
