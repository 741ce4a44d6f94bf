"""What a person typed is checked here, field by field, before anything is stored."""

from types import SimpleNamespace
from typing import Any
from unicodedata import category, normalize

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from accounts.services import LAB_ADDRESSES, normalize_email
from qulab.admin.plain import PlainField, is_plain

LONGEST_PASSWORD = 1000  # characters: what is longer costs more to hash than it protects
LONGEST_EMAIL = 255
MOST_YEARS = 80
MOST_VERSIONS = 2**31 - 1
TOO_LONG = _("Use at most %(limit_value)d characters; this has %(show_value)d.")
PASSWORD = _("Password")
NO_ADDRESS = _("Enter an email address like name@example.com.")


def email_field(autocomplete: str = "off") -> forms.EmailField:
    return forms.EmailField(
        label=_("Email"),
        max_length=LONGEST_EMAIL,
        error_messages={
            "required": _("Enter an email address."),
            "invalid": NO_ADDRESS,
            "max_length": TOO_LONG,
        },
        widget=forms.EmailInput(attrs={"autocomplete": autocomplete}),
    )


def clean_email(email: str) -> str:
    """The address as it is stored. Small letters can be more than the large ones were."""
    address = normalize_email(email)
    if not is_plain(address) or len(address) > LONGEST_EMAIL:
        raise forms.ValidationError(NO_ADDRESS)
    return address


def own_email(email: str) -> str:
    """The address of a person: none of those under which the lab makes users, and shows them to everybody."""
    address = clean_email(email)
    if address in LAB_ADDRESSES:
        raise forms.ValidationError(_("This address belongs to a user of the lab: take one of your own."))
    return address


class UserForm(forms.Form):
    email = email_field()
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
        return clean_email(self.cleaned_data["email"])


class PasswordField(PlainField):
    """Typed on any keyboard, a password is one text: composed and decomposed letters are the same."""

    def __init__(self, label: Any, autocomplete: str, **options: Any) -> None:
        super().__init__(
            label=label,
            max_length=LONGEST_PASSWORD,
            strip=False,
            error_messages={"required": _("Enter a password."), "max_length": TOO_LONG},
            widget=forms.PasswordInput(attrs={"autocomplete": autocomplete}),
            **options,
        )

    def to_python(self, value: Any) -> str:
        return normalized(super().to_python(value))


def normalized(password: str) -> str:
    """What is too long stays as it is: to compose it takes the square of its length, and it is refused anyway."""
    return normalize("NFKC", password) if len(password) <= LONGEST_PASSWORD else password


def current_password(label: Any = PASSWORD, **options: Any) -> PasswordField:
    return PasswordField(label, "current-password", **options)


def new_password(label: Any) -> PasswordField:
    return PasswordField(label, "new-password", help_text=_("At least 8 characters, and not a common one."))


def same_password() -> PasswordField:
    return PasswordField(_("Password again"), "new-password")


class Attributes:
    """What a password must not look like, in the way that Django's validators ask for it."""

    def __init__(self, *, email: str, first_name: str) -> None:
        self.email, self.first_name = email, first_name

    class _meta:  # noqa: N801 - its name in Django
        @staticmethod
        def get_field(name: str) -> SimpleNamespace:
            """What a message calls it."""
            return SimpleNamespace(verbose_name={"email": _("email address"), "first_name": _("name")}[name])


def hold_to_the_rules(password: str, *, email: str, name: str) -> None:
    """Raises ValidationError with all that speaks against a new password."""
    validate_password(password, Attributes(email=email, first_name=name))  # type: ignore[arg-type]


class ChoosesPassword(forms.Form):
    """A form with the fields `new` and `again`, and somebody whom the new password must not look like."""

    def __init__(self, *args: Any, name: str = "", email: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._name, self._email = name, email

    def clean(self) -> dict[str, Any]:
        new, again = self.cleaned_data.get("new"), self.cleaned_data.get("again")
        if new and again and new != again:
            self.add_error("again", _("The two passwords differ. Type both again."))
        elif new:
            self._hold_to_the_rules(new)
        return self.cleaned_data

    def _hold_to_the_rules(self, password: str) -> None:
        email, name = self.cleaned_data.get("email", self._email), self.cleaned_data.get("name", self._name)
        try:
            hold_to_the_rules(password, email=email, name=name)
        except forms.ValidationError as error:
            self.add_error("new", error)


class SignUpForm(ChoosesPassword, UserForm):
    new = new_password(PASSWORD)
    again = same_password()
    field_order = ("name", "email", "new", "again")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["autocomplete"] = "name"
        self.fields["email"].widget.attrs["autocomplete"] = "username"

    def clean_email(self) -> str:
        return own_email(self.cleaned_data["email"])


class StaffForm(UserForm):
    """As `manage.py createstaff` asks: a name is needed for a new person only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = False

    def clean_name(self) -> str:
        return super().clean_name() if self.cleaned_data["name"] else ""


class SignInForm(forms.Form):
    email = email_field("username")
    password = current_password()

    def clean_email(self) -> str:
        return clean_email(self.cleaned_data["email"])


class ChangePasswordForm(ChoosesPassword):
    current = current_password(_("Current password"))
    new = new_password(_("New password"))
    again = same_password()


class AskForResetForm(forms.Form):
    email = email_field("username")

    def clean_email(self) -> str:
        return clean_email(self.cleaned_data["email"])


class SetPasswordForm(ChoosesPassword):
    new = new_password(_("New password"))
    again = same_password()


class ConfirmForm(forms.Form):
    password = current_password()


class ProfileForm(UserForm):
    """`version` is the state of the profile that the person saw, and beside each field goes what it began with.

    Another address needs the password too.
    """

    occupation_code = PlainField(
        label=_("Occupation"),
        required=False,
        max_length=20,
        empty_value="",
        validators=[RegexValidator(r"^\d\d-\d{4}(\.\d\d)?\Z", _("Enter an SOC code like 15-1252, or nothing."))],
        error_messages={"max_length": TOO_LONG},
        help_text=_("The SOC code of what you do, such as 15-1252 for software developers."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    education_level = PlainField(
        label=_("Education"),
        required=False,
        max_length=50,
        error_messages={"max_length": TOO_LONG},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    years_experience = forms.FloatField(
        label=_("Years of experience"),
        required=False,
        min_value=0,
        max_value=MOST_YEARS,
        error_messages=dict.fromkeys(
            ["invalid", "min_value", "max_value"], _("Enter a number of years from 0 to 80, or nothing.")
        ),
        widget=forms.NumberInput(attrs={"step": "0.5", "autocomplete": "off"}),
    )
    password = current_password(
        PASSWORD, required=False, help_text=_("Needed only where you change the email address.")
    )
    version = forms.IntegerField(min_value=1, max_value=MOST_VERSIONS, widget=forms.HiddenInput)
    field_order = ("name", "email", "password", "occupation_code", "education_level", "years_experience", "version")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["autocomplete"] = "name"
        self.fields["email"].widget.attrs["autocomplete"] = "username"
        for name in PROFILE:
            self.fields[name].show_hidden_initial = "version" in self.fields

    def clean_email(self) -> str:
        return own_email(self.cleaned_data["email"])

    def clean_occupation_code(self) -> str | None:
        return self.cleaned_data["occupation_code"] or None

    def clean_education_level(self) -> str | None:
        return self.cleaned_data["education_level"] or None

    def changes(self) -> dict[str, Any]:
        """The fields of the profile as they were sent."""
        return {name: self.cleaned_data[name] for name in PROFILE}

    def typed(self) -> dict[str, Any]:
        """Those of them that are not what the form began with."""
        return {name: value for name, value in self.changes().items() if name in self.changed_data}

    def over(self, stored: Any) -> "ProfileForm":
        """The form once more, begun from what is stored by now: only what was typed is another."""
        data = dict(self.data.items())
        for name in PROFILE:
            value = getattr(stored, name)
            shown = "" if value is None else str(value)
            data[self[name].html_initial_name] = shown
            if name not in self.changed_data:
                data[name] = shown
        data["version"] = str(stored.version)
        return ProfileForm(data)


PROFILE = ("name", "email", "occupation_code", "education_level", "years_experience")
