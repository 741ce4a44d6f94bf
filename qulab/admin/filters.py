"""A filter is declared once, and brings its form fields and its clause along; a clause never sees unchecked input."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from django import forms
from django.utils.translation import gettext_lazy as _
from sqlalchemy import ColumnElement

from qulab.admin.plain import PlainField
from qulab.db.base import utcnow

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

Values = Mapping[str, Any]
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2999, 12, 31)  # beyond these, databases and time zones overflow
AGES = {
    "1m": (timedelta(minutes=1), _("a minute")),
    "15m": (timedelta(minutes=15), _("15 minutes")),
    "1h": (timedelta(hours=1), _("an hour")),
    "1d": (timedelta(days=1), _("a day")),
    "7d": (timedelta(days=7), _("7 days")),
    "30d": (timedelta(days=30), _("30 days")),
}


class Choice(msgspec.Struct, frozen=True, eq=False):
    """One of a few values, shown as tabs with counts."""

    column: Any
    choices: Mapping[str, "StrPromise | str"]

    @property
    def name(self) -> str:
        return str(self.column.key)

    def fields(self) -> dict[str, forms.Field]:
        message = {"invalid_choice": _("There is no “%(value)s” here. Choose one of the tabs.")}
        return {
            self.name: forms.ChoiceField(
                choices=list(self.choices.items()), required=False, error_messages=message, widget=forms.HiddenInput
            )
        }

    def clauses(self, values: Values) -> list[ColumnElement[bool]]:
        return [self.column == values[self.name]] if values.get(self.name) else []


class OneOf(msgspec.Struct, frozen=True, eq=False):
    """One of a few values, chosen from a list of them; they are asked for when the field is made."""

    column: Any
    title: "StrPromise | str"
    choices: Callable[[], Mapping[str, "StrPromise | str"]]

    @property
    def name(self) -> str:
        return str(self.column.key)

    def fields(self) -> dict[str, forms.Field]:
        message = {"invalid_choice": _("There is no “%(value)s” here. Choose one of the list.")}
        choices = [("", _("any")), *self.choices().items()]
        return {self.name: forms.ChoiceField(label=self.title, choices=choices, required=False, error_messages=message)}

    def clauses(self, values: Values) -> list[ColumnElement[bool]]:
        return [self.column == values[self.name]] if values.get(self.name) else []


class Exact(msgspec.Struct, frozen=True, eq=False):
    """A text that the column equals, letter by letter: an index can answer it."""

    column: Any
    title: "StrPromise | str"
    given_name: str = ""

    @property
    def name(self) -> str:
        return self.given_name or str(self.column.key)

    def fields(self) -> dict[str, forms.Field]:
        widget = forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
        longest = self.column.type.length
        return {self.name: PlainField(label=self.title, required=False, max_length=longest, widget=widget)}

    def clauses(self, values: Values) -> list[ColumnElement[bool]]:
        return [self.column == values[self.name]] if values.get(self.name) else []


class Period(msgspec.Struct, frozen=True, eq=False):
    """From one day to another, both included, in UTC."""

    column: Any
    name: str = "created"

    def fields(self) -> dict[str, forms.Field]:
        return {
            f"{self.name}_from": _day(_("Created from (UTC)")),
            f"{self.name}_to": _day(_("Created to (UTC)")),
        }

    def clauses(self, values: Values) -> list[ColumnElement[bool]]:
        first, last = values.get(f"{self.name}_from"), values.get(f"{self.name}_to")
        return [
            *([self.column >= _midnight(first)] if first else []),
            *([self.column < _midnight(last + timedelta(days=1))] if last else []),
        ]


class Age(msgspec.Struct, frozen=True, eq=False):
    """Older than one of a few ages, as of now: what was too young a moment ago may match the next time."""

    column: Any
    name: str = "age"

    def fields(self) -> dict[str, forms.Field]:
        message = {"invalid_choice": _("There is no age “%(value)s” here. Choose one of the list.")}
        choices = [("", _("any age")), *((key, title) for key, (_age, title) in AGES.items())]
        return {
            self.name: forms.ChoiceField(label=_("Older than"), choices=choices, required=False, error_messages=message)
        }

    def clauses(self, values: Values) -> list[ColumnElement[bool]]:
        chosen = values.get(self.name)
        return [self.column < utcnow() - AGES[chosen][0]] if chosen else []


Filter = Choice | OneOf | Exact | Period | Age


def _day(label: "StrPromise | str") -> forms.DateField:
    return _Day(
        label=label,
        required=False,
        input_formats=["%Y-%m-%d"],
        error_messages={"invalid": _("Enter a day like 2026-01-31.")},
        widget=_DayInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )


class _DayInput(forms.DateInput):
    def format_value(self, value: Any) -> str | None:
        """What is no day is left out: a browser would drop it too, and complain in its console."""
        text = super().format_value(value)
        try:
            return date.fromisoformat(text or "").isoformat()
        except ValueError:
            return None


class _Day(forms.DateField):
    def to_python(self, value: Any) -> date | None:
        day = super().to_python(value)
        if day is not None and not FIRST_DAY <= day <= LAST_DAY:
            raise forms.ValidationError(_("Enter a day from 1970 to 2999."))
        return day


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
