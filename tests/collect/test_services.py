import pytest

from recommender.collect.models import User, UserState
from recommender.collect.services import (
    UserInput,
    anonymous_user,
    find_user,
    put_users,
    set_personalized,
    user_for_account,
)
from recommender.errors import BadData
from tests.factories import START, make_account, make_catalog

pytestmark = pytest.mark.django_db


def test_users_come_back_in_the_order_given():
    rows = put_users(catalog=make_catalog(), users=[UserInput("b"), UserInput("a", {"age": 3})])
    assert [(row.external_id, row.attributes) for row in rows] == [("b", {}), ("a", {"age": 3})]


def test_putting_a_user_again_replaces_the_attributes_and_nothing_else():
    catalog = make_catalog()
    [old] = put_users(catalog=catalog, users=[UserInput("a", {"age": 3, "gender": "F"})])
    set_personalized(user=old, is_personalized=False)
    [new] = put_users(catalog=catalog, users=[UserInput("a", {"age": 4})])
    assert (new.pk, new.created_at) == (old.pk, old.created_at)
    assert (new.attributes, new.is_personalized) == ({"age": 4}, False)


def test_new_attributes_make_the_stored_list_stale():
    catalog = make_catalog()
    [user] = put_users(catalog=catalog, users=[UserInput("a", {"age": 3})])
    UserState.objects.create(user=user, catalog=catalog, list_seq=0, profile_updated_at=START)
    put_users(catalog=catalog, users=[UserInput("a", {"age": 4})])
    assert UserState.objects.get(user=user).list_seq is None


def test_of_two_inputs_with_one_id_the_later_counts():
    rows = put_users(
        catalog=make_catalog(), users=[UserInput("a", {"age": 1}), UserInput("a", {"age": 2})]
    )
    assert [row.attributes["age"] for row in rows] == [2, 2]


@pytest.mark.parametrize("name", ["", "x" * 201, "a\0", "\ud800"])
def test_an_id_that_cannot_be_stored_is_refused(name):
    with pytest.raises(BadData, match="must have 1 to 200 characters"):
        put_users(catalog=make_catalog(), users=[UserInput("fine"), UserInput(name)])
    assert not User.objects.exists()


def test_an_account_is_one_user_per_catalog():
    account, one, other = make_account(), make_catalog(), make_catalog()
    first = user_for_account(catalog=one, account=account)
    assert user_for_account(catalog=one, account=account) == first
    assert user_for_account(catalog=other, account=account) != first


def test_a_session_is_one_user_and_its_key_is_not_kept():
    catalog = make_catalog()
    user = anonymous_user(catalog=catalog, session_key="secret-session-key")
    assert anonymous_user(catalog=catalog, session_key="secret-session-key") == user
    assert anonymous_user(catalog=catalog, session_key="another") != user
    assert "secret" not in user.external_id


def test_finding_looks_only_in_the_catalog_asked():
    one, other = make_catalog(), make_catalog()
    [user] = put_users(catalog=one, users=[UserInput("a")])
    assert find_user(one, "a") == user
    assert find_user(other, "a") is None
