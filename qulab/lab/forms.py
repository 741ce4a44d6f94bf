"""The bounds of an experiment are enforced here, before anything runs; a message stands at the field it is about."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from accounts.snapshots import UserSnapshot
from qulab.db.base import ID_LENGTH

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise


class NumberField(forms.IntegerField):
    """A whole number within bounds that the browser knows as well."""

    def __init__(
        self, *, least: int, most: int, initial: int, label: "StrPromise", help_text: "StrPromise | str" = ""
    ) -> None:
        allowed = format_lazy(_("Enter a whole number from {least} to {most}."), least=least, most=most)
        super().__init__(
            min_value=least,
            max_value=most,
            initial=initial,
            label=label,
            help_text=help_text,
            error_messages=dict.fromkeys(["required", "invalid", "min_value", "max_value"], allowed),
        )


TOO_LONG = {"max_length": _("An id has at most %(limit_value)d characters.")}


class ChooseUserForm(forms.Form):
    """One of the newest users, or any other by id: what was typed wins over what was chosen."""

    # Not a ChoiceField: a user who has left the list meanwhile is still a user.
    user = forms.CharField(
        label=_("User"), required=False, max_length=ID_LENGTH, error_messages=TOO_LONG, widget=forms.Select
    )
    user_id = forms.CharField(
        label=_("or another user's id"),
        required=False,
        max_length=ID_LENGTH,
        error_messages=TOO_LONG,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def offer(self, users: Sequence[UserSnapshot]) -> Self:
        """List the users to choose from. What is sent need not be among them."""
        select = self.fields["user"].widget
        assert isinstance(select, forms.Select)
        select.choices = [(user.id, f"{user.name} · {user.email}") for user in users]
        return self

    def clean(self) -> dict[str, object]:
        if not self.errors and not self.chosen():
            self.add_error("user", _("Choose a user, or enter an id."))
        return self.cleaned_data

    def chosen(self) -> str:
        return str(self.cleaned_data.get("user_id") or self.cleaned_data.get("user") or "").strip().lower()

    def field_of_choice(self) -> str:
        """The field that the chosen id came from."""
        return "user_id" if self.cleaned_data.get("user_id") else "user"
