import pytest
from django.contrib.auth import authenticate

from recommender.accounts.models import Account
from recommender.accounts.services import create_account, set_preferences
from recommender.errors import BadData, Refused

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


def test_a_new_account_can_log_in_and_operate_nothing():
    account = create_account(username="ann", password=PASSWORD, language="zh-hans")
    assert authenticate(username="ann", password=PASSWORD) == account
    assert not account.is_staff
    assert not account.is_superuser
    assert (account.language, account.theme) == ("zh-hans", "auto")


def test_an_operator_may_do_everything():
    account = create_account(username="olga", password=PASSWORD, is_operator=True)
    assert account.is_staff
    assert account.is_superuser


def test_a_taken_name_is_refused():
    create_account(username="ann", password=PASSWORD)
    with pytest.raises(Refused, match="The name 'ann' is taken"):
        create_account(username="ann", password=PASSWORD)


@pytest.mark.parametrize(
    ("username", "password", "message"),
    [
        ("ann", "short", "too short"),
        ("ann", "password123", "too common"),
        ("annabelle", "annabelle1", "too similar to the username"),
        ("", PASSWORD, "cannot be blank"),
        ("not a name!", PASSWORD, "valid username"),
    ],
)
def test_bad_names_and_passwords_are_refused_with_what_is_wrong(username, password, message):
    with pytest.raises(BadData, match=message):
        create_account(username=username, password=password)
    assert not Account.objects.exists()


def test_preferences_change_one_at_a_time():
    account = create_account(username="ann", password=PASSWORD)
    set_preferences(account=account, theme="dark")
    set_preferences(account=account, language="zh-hans")
    account.refresh_from_db()
    assert (account.theme, account.language) == ("dark", "zh-hans")


def test_an_unknown_theme_is_refused_with_the_known_ones():
    account = create_account(username="ann", password=PASSWORD)
    with pytest.raises(BadData, match="'pink'; choose one of auto, light, dark"):
        set_preferences(account=account, theme="pink")
