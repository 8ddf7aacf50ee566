import base64
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.collect.tokens import BadToken, TokenParts, make_token, read_token

SLATE = UUID("0199a7c2-5d1e-7c40-8a51-3f0d6b1f2a77")


@given(st.uuids(), st.integers(1, 65_535))
def test_a_token_names_what_it_was_made_for(slate_id, position):
    assert read_token(make_token(slate_id, position)) == TokenParts(slate_id, position)


@given(st.integers(0, 45), st.characters(min_codepoint=33, max_codepoint=126))
def test_changing_any_character_makes_a_forgery(place, character):
    token = make_token(SLATE, 3)
    changed = token[:place] + character + token[place + 1 :]
    if changed != token:
        with pytest.raises(BadToken) as caught:
            read_token(changed)
        assert caught.value.code == "forged_token"


def test_another_spelling_of_the_same_bytes_is_a_forgery():
    # The last character carries two bits of the token: 15 others decode to the same bytes.
    token = make_token(SLATE, 3)
    raw = base64.urlsafe_b64decode(token + "==")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = [token[:-1] + letter for letter in letters if letter != token[-1]]
    assert sum(base64.urlsafe_b64decode(other + "==") == raw for other in others) == 15
    for other in others:
        with pytest.raises(BadToken):
            read_token(other)


@pytest.mark.parametrize("text", ["", "x", "=" * 46, "é" * 46, "A" * 46, "A" * 10_000, "A" * 45])
def test_anything_else_is_a_forgery(text):
    with pytest.raises(BadToken):
        read_token(text)


def test_a_token_of_another_installation_is_a_forgery(settings):
    token = make_token(SLATE, 1)
    settings.TOKEN_KEY = "k" * 40
    with pytest.raises(BadToken):
        read_token(token)


def test_a_client_cannot_move_its_token_to_a_better_position():
    raw = bytearray(base64.urlsafe_b64decode(make_token(SLATE, 9) + "=="))
    raw[17] = 1
    with pytest.raises(BadToken):
        read_token(base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="))


def test_tokens_fit_an_address_and_do_not_show_the_key(settings):
    token = make_token(SLATE, 1)
    assert len(token) == 46
    assert token.replace("-", "").replace("_", "").isalnum()
    assert settings.TOKEN_KEY not in token
