"""What visitors may send: shapes are checked here, meaning by `collect`."""

from typing import ClassVar
from uuid import UUID

from django import forms
from django.contrib.auth.forms import UserCreationForm
from django.utils.translation import gettext_lazy as _

from recommender.accounts.models import Account

REASONS = (
    ("seen", _("Already seen")),
    ("taste", _("Not my taste")),
    ("mood", _("Not now")),
)


class UUIDListField(forms.Field):
    """One to fifty UUIDs under one name."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: list[str] | None) -> list[UUID]:
        """Read each; refuse the lot when one is malformed."""
        single = forms.UUIDField()
        return [single.clean(each) for each in (value or [])[:50]]


class ActForm(forms.Form):
    """One act on one item."""

    item = forms.CharField(max_length=200)
    token = forms.CharField(max_length=100, required=False)


class RatingForm(ActForm):
    """A rating; whether it lies on the catalog's scale is told by `collect`."""

    value = forms.FloatField()


class DismissForm(ActForm):
    """A dismissal; with `undoes`, the same again with a reason."""

    reason = forms.ChoiceField(choices=REASONS, required=False)
    undoes = forms.UUIDField(required=False)


class UndoForm(forms.Form):
    """Events to take back, by their ids; whose they are is told by `collect`."""

    event_id = UUIDListField()


class PrivacyForm(forms.Form):
    """The off switch: for good, or for this visit only."""

    is_personalized = forms.TypedChoiceField(
        choices=(("1", "on"), ("0", "off")), coerce=lambda value: value == "1"
    )
    scope = forms.ChoiceField(choices=(("lasting", ""), ("visit", "")))


class ThemeForm(forms.Form):
    """Light, dark, or as the system says."""

    theme = forms.ChoiceField(choices=Account.Theme.choices)


class SignUpForm(UserCreationForm):  # type: ignore[type-arg]
    """A name and a password, twice."""

    class Meta:
        model = Account
        fields: ClassVar = ("username",)
