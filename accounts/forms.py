"""What a person typed is checked here, field by field, before anything is stored."""

from unicodedata import category

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.services import normalize_email

TOO_LONG = _("Use at most %(limit_value)d characters; this has %(show_value)d.")


class UserForm(forms.Form):
    email = forms.EmailField(
        label=_("Email"),
        max_length=255,
        error_messages={
            "required": _("Enter an email address."),
            "invalid": _("Enter an email address like name@example.com."),
            "max_length": TOO_LONG,
        },
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    name = forms.CharField(
        label=_("Name"),
        max_length=255,
        error_messages={"required": _("Enter a name."), "max_length": TOO_LONG},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if "\ufffd" in name or any(category(sign) in {"Cc", "Cs"} for sign in name):
            raise forms.ValidationError(_("The name has line breaks or bytes that are no text: leave them out."))
        if all(category(sign) in {"Cf", "Zs", "Zl", "Zp"} for sign in name):
            raise forms.ValidationError(_("Enter a name that can be seen."))
        return name

    def clean_email(self) -> str:
        return normalize_email(self.cleaned_data["email"])
