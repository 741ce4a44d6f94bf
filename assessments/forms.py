"""What a person gives is checked here, field by field; a form knows what may be answered, and never what is right."""

import re
from collections import Counter
from typing import Any, TypeAlias

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from assessments.bank import Answer, AnyItem, Choice, Multiple, Numeric, Ordering
from assessments.occupations import OCCUPATIONS, UnknownOccupation, find
from assessments.services import HIGHEST_ABILITY, LOWEST_ABILITY
from qulab.db.base import ID_LENGTH

NUMBER = re.compile(r"[-+]?(\d{1,3}( \d{3})+|\d+)(\.\d+)?|[-+]?\.\d+", re.ASCII)
SPACES = re.compile(r"\s+")
LONGEST_NUMBER = 40  # characters, with its unit
NO_OCCUPATION = _("Choose an occupation.")
NO_NUMBER = _("Write a number like 12 or 0.75.")
NO_OPTION = _("This is not one of the options. Choose one that is shown here.")


class OccupationField(forms.CharField):
    """A SOC code of the table. Not a ChoiceField: for an unknown one the message names near matches."""

    def __init__(self, *, missing: Any = NO_OCCUPATION, **kwargs: Any) -> None:
        super().__init__(
            label=_("Occupation"),
            max_length=20,
            error_messages={
                "required": missing,
                "max_length": _("A code of an occupation has at most %(limit_value)d characters."),
            },
            **kwargs,
        )

    def clean(self, value: Any) -> str:
        try:
            return find(super().clean(value)).code
        except UnknownOccupation as error:
            raise forms.ValidationError(str(error)) from error


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
    occupation_code = OccupationField(
        widget=forms.Select(choices=[(code, f"{code} {one.title}") for code, one in OCCUPATIONS.items()])
    )
    fluency = AbilityField(label=_("AI fluency θ"))
    domain = AbilityField(label=_("Applied domain reasoning θ"))
    adaptive = AbilityField(label=_("Adaptive capacity θ"))


class BeginForm(forms.Form):
    occupation_code = OccupationField(missing=_("Choose an occupation: search above, or open the list."))


class ChoiceForm(forms.Form):
    def __init__(self, item: Choice, data: Any = None) -> None:
        super().__init__(data)
        self.fields["letter"] = forms.ChoiceField(
            choices=list(item.options.items()),
            widget=forms.RadioSelect,
            error_messages={"required": _("Choose one of the options."), "invalid_choice": NO_OPTION},
        )

    def answer(self) -> Answer:
        letter: str = self.cleaned_data["letter"]
        return letter


class MultipleForm(forms.Form):
    def __init__(self, item: Multiple, data: Any = None) -> None:
        super().__init__(data)
        self.fields["letters"] = forms.MultipleChoiceField(
            choices=list(item.options.items()),
            widget=forms.CheckboxSelectMultiple,
            error_messages={"required": _("Choose at least one of the options."), "invalid_choice": NO_OPTION},
        )

    def answer(self) -> Answer:
        return sorted(set(self.cleaned_data["letters"]))


class OrderingForm(forms.Form):
    """A place for each option, from 1."""

    def __init__(self, item: Ordering, data: Any = None) -> None:
        super().__init__(data)
        places = [(place, str(place)) for place in range(1, len(item.options) + 1)]
        self.places = {letter: f"place_{letter}" for letter in item.options}
        for letter, text in item.options.items():
            self.fields[self.places[letter]] = forms.TypedChoiceField(
                label=text,
                choices=[("", "–"), *places],
                coerce=int,
                error_messages={
                    "required": _("Choose a place for this."),
                    "invalid_choice": _("Choose a place from 1 to %(last)d.") % {"last": len(places)},
                },
            )

    def clean(self) -> dict[str, Any]:
        """Every place is taken once."""
        given = {name: place for name, place in self.cleaned_data.items() if name in self.places.values()}
        times = Counter(given.values())
        for name, place in given.items():
            if times[place] > 1:
                self.add_error(name, _("Place %(place)d is given more than once.") % {"place": place})
        return self.cleaned_data

    def answer(self) -> Answer:
        return sorted(self.places, key=lambda letter: int(self.cleaned_data[self.places[letter]]))


class NumberField(forms.CharField):
    """A number as people write it: with a point, perhaps with spaces between thousands, and with its unit.

    A comma is refused: to some it is a point, to others it parts thousands.
    """

    def __init__(self, unit: str) -> None:
        super().__init__(
            max_length=LONGEST_NUMBER,
            widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "spellcheck": "false"}),
            error_messages={"required": NO_NUMBER, "max_length": NO_NUMBER},
        )
        self.unit = unit

    def clean(self, value: Any) -> float:
        text = SPACES.sub(" ", super().clean(value)).replace("−", "-")
        if self.unit:
            text = text.removesuffix(self.unit).removeprefix(self.unit).strip()
        if "," in text:
            raise forms.ValidationError(_("Write a number like 12 or 0.75: with a point, and without commas."))
        if not NUMBER.fullmatch(text):
            raise forms.ValidationError(NO_NUMBER)
        return float(text.replace(" ", "")) + 0.0  # -0 is 0


class NumericForm(forms.Form):
    def __init__(self, item: Numeric, data: Any = None) -> None:
        super().__init__(data)
        self.fields["number"] = NumberField(item.unit)

    def answer(self) -> Answer:
        number: float = self.cleaned_data["number"]
        return number


# An answer to one item. What it calls its fields tells the kind of the item and nothing else of it; `answer()` is what
# was answered, where the form is valid.
AnswerForm: TypeAlias = ChoiceForm | MultipleForm | OrderingForm | NumericForm


def answer_form(item: AnyItem, data: Any = None) -> AnswerForm:
    """The form of an item, with what was sent where something was."""
    match item:
        case Choice():
            return ChoiceForm(item, data)
        case Multiple():
            return MultipleForm(item, data)
        case Ordering():
            return OrderingForm(item, data)
        case Numeric():
            return NumericForm(item, data)
