"""What a person typed is checked here, field by field, before anything is stored."""

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.services import normalize_email


class UserForm(forms.Form):
    email = forms.EmailField(
        label=_("Email"),
        max_length=255,
        error_messages={
            "required": _("Enter an email address."),
            "invalid": _("Enter an email address like name@example.com."),
        },
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    name = forms.CharField(
        label=_("Name"),
        max_length=255,
        error_messages={"required": _("Enter a name.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean_email(self) -> str:
        return normalize_email(self.cleaned_data["email"])
