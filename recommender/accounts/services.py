"""Everything that changes accounts."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from recommender.accounts.models import Account
from recommender.errors import BadData, Refused


def create_account(
    *,
    username: str,
    password: str,
    is_operator: bool = False,
    language: str = "",
    email: str = "",
) -> Account:
    """Create somebody who can log in; an operator may also see and change everything.

    Raises: BadData when name or password break the rules, Refused when the name is taken.
    """
    account = Account(
        username=Account.normalize_username(username),
        email=email,
        language=language,
        is_staff=is_operator,
        is_superuser=is_operator,
    )
    try:
        validate_password(password, account)
        account.set_password(password)
        account.clean_fields()
    except ValidationError as error:
        raise BadData(" ".join(error.messages)) from None
    try:
        with transaction.atomic():
            account.save()
    except IntegrityError:
        raise Refused(
            _("The name %(name)r is taken. Choose another one.") % {"name": username}
        ) from None
    return account


@transaction.atomic
def set_preferences(
    *, account: Account, language: str | None = None, theme: str | None = None
) -> Account:
    """Change how the site looks for an account; None leaves a setting as it is.

    Raises: BadData for a theme that does not exist.
    """
    if theme is not None:
        if theme not in Account.Theme.values:
            raise BadData(
                _("The theme is %(theme)r; choose one of %(known)s.")
                % {"theme": theme, "known": ", ".join(Account.Theme.values)}
            )
        account.theme = theme
    if language is not None:
        account.language = language
    account.save(update_fields=["language", "theme"])
    return account
