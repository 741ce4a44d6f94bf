"""What a person gives to calculate a score is checked here, field by field."""

from typing import Any

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from assessments.occupations import OCCUPATIONS, UnknownOccupation, find
from assessments.services import HIGHEST_ABILITY, LOWEST_ABILITY
from qulab.db.base import ID_LENGTH


class AbilityField(forms.FloatField):
    def __init__(self, **kwargs: Any) -> None:
        words = _("Enter a number from −{lowest:g} to {highest:g}.")
        allowed = format_lazy(words, lowest=-LOWEST_ABILITY, highest=HIGHEST_ABILITY)
        super().__init__(
            min_value=LOWEST_ABILITY,
            max_value=HIGHEST_ABILITY,
            initial=0.0,
            widget=forms.NumberInput(attrs={"step": "0.1", "min": LOWEST_ABILITY, "max": HIGHEST_ABILITY}),
            error_messages=dict.fromkeys(["required", "invalid", "min_value", "max_value"], allowed),
            **kwargs,
        )


class ScoreForm(forms.Form):
    user_id = forms.CharField(
        label=_("User id"),
        max_length=ID_LENGTH,
        error_messages={
            "required": _("Enter the id of a user; section 1 lists some."),
            "max_length": _("An id has at most %(limit_value)d characters."),
        },
    )
    # Not a ChoiceField: for an unknown code the message names near matches.
    occupation_code = forms.CharField(
        label=_("Occupation"),
        max_length=20,
        error_messages={
            "required": _("Choose an occupation."),
            "max_length": _("A code of an occupation has at most %(limit_value)d characters."),
        },
        widget=forms.Select(choices=[(code, f"{code} {one.title}") for code, one in OCCUPATIONS.items()]),
    )
    fluency = AbilityField(label=_("AI fluency θ"))
    domain = AbilityField(label=_("Applied domain reasoning θ"))
    adaptive = AbilityField(label=_("Adaptive capacity θ"))

    def clean_occupation_code(self) -> str:
        code: str = self.cleaned_data["occupation_code"]
        try:
            return find(code).code
        except UnknownOccupation as error:
            raise forms.ValidationError(str(error)) from error
