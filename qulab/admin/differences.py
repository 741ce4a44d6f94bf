"""Three states side by side: what a form showed, what is stored now, and what was typed. Nothing typed is lost."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from django import forms

from qulab.access.person import Person
from qulab.admin import history, values
from qulab.admin.models import Audit


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One field. `yours` is empty where it was left as it was; `both`: it was changed here and there."""

    label: str
    opened: str = ""
    now: str = ""
    yours: str = ""
    both: bool = False


class Difference(msgspec.Struct, frozen=True):
    lines: list[Line]
    by: str
    at: str

    @property
    def clashes(self) -> int:
        return sum(line.both for line in self.lines)


def difference(
    form: forms.Form,
    opened: Mapping[str, Any],
    now: Mapping[str, Any],
    yours: Mapping[str, Any],
    changed_at: datetime,
    entry: Audit | None,
    person: Person | None,
) -> Difference:
    """The fields that are not the same in all three. `entry` is who changed it only if it is as late as the row."""
    lines = [_line(form, name, opened.get(name), now[name], yours[name]) for name in form.fields]
    known = entry is not None and entry.created_at >= changed_at
    by = history.who(entry, person) if entry is not None and known else ""
    return Difference([line for line in lines if line is not None], by, values.moment(changed_at))


def _line(form: forms.Form, name: str, opened: Any, now: Any, yours: Any) -> Line | None:
    mine, theirs = yours != opened, now != opened
    if not mine and not theirs:
        return None
    return Line(
        label=_label(form, name),
        opened=values.text(opened),
        now=values.text(now),
        yours=values.text(yours) if mine else "",
        both=mine and theirs and yours != now,
    )


def gone(form: forms.Form, opened: Mapping[str, Any]) -> list[Line]:
    """What was typed about a row that is not there any more."""
    return [
        Line(
            label=_label(form, name), opened=values.text(opened.get(name)), yours=form.data.get(name) or values.NOTHING
        )
        for name in form.fields
    ]


def undone(form: forms.Form, now: Mapping[str, Any], changes: Mapping[str, Any]) -> list[Line]:
    """What taking a change back would change; `both`: it was changed once more since."""
    return [
        Line(
            label=_label(form, name),
            now=values.text(now[name]),
            yours=values.text(before),
            both=now[name] != after,
        )
        for name, (before, after) in changes.items()
        if name in now and now[name] != before
    ]


def _label(form: forms.Form, name: str) -> str:
    return str(form.fields[name].label or name)
