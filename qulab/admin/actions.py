"""Nothing is changed that was not confirmed: if more rows match than were shown, the question is put again."""

from collections.abc import Iterable
from math import inf
from typing import Any

import msgspec
from django import forms
from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from sqlalchemy import ColumnElement, func, select, true

from qulab.access.person import Person
from qulab.admin import parts, query, services, values
from qulab.admin.asked import asked, form_for
from qulab.admin.cascade import Along, along
from qulab.admin.declare import Action, Admin
from qulab.admin.plain import PlainField, is_plain
from qulab.db.base import ID_LENGTH
from qulab.db.session import Session

SAMPLE = 5
MOST_SELECTED = query.PAGE
LONGEST_REASON = 200


class ReasonForm(forms.Form):
    reason = PlainField(
        max_length=LONGEST_REASON,
        error_messages={"required": gettext_lazy("Say why: the reason is kept with each row.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class Selection(msgspec.Struct, frozen=True):
    """Rows by id, or all that match a filter. `sent` is what a form must send to mean the same rows again."""

    where: tuple[ColumnElement[bool], ...]
    ids: list[str]
    sent: list[tuple[str, str]]
    back: str

    @property
    def row_id(self) -> str | None:
        """The one row that is meant by name."""
        return self.ids[0] if len(self.ids) == 1 else None

    @property
    def filter(self) -> dict[str, Any]:
        """What was asked for, as the audit keeps it."""
        chosen = {name: value for name, value in self.sent if name != "id"}
        return {**chosen, **({"id": self.ids} if len(self.ids) > 1 else {})}


class Refused(Exception):
    """The selection cannot be used; the message says why, and what to do."""


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked before anything is done."""

    admin: Admin
    action: Action
    back: str
    status: int
    problem: str = ""
    question: str = ""
    oneself: str = ""
    applies: int = 0
    others: int = 0
    missing: int = 0
    sample: list[values.Row] = []
    more: str = ""
    along: list[Along] | None = None
    sent: list[tuple[str, str]] = []
    reason: forms.BoundField | None = None

    @property
    def button(self) -> str:
        """What is agreed to, in the words of the question."""
        return self.question.removesuffix("?")


async def confirmation(
    session: Session, person: Person | None, admin: Admin, action: Action, data: QueryDict
) -> Confirmation:
    """The question for a selection: how many rows, with what consequence, and which are left out."""
    try:
        selection = _selection(admin, data)
    except Refused as refused:
        return _refusal(admin, action, str(refused))
    return await _ask(session, person, admin, action, selection)


async def perform(
    session: Session, person: Person | None, admin: Admin, action: Action, data: QueryDict
) -> int | Confirmation:
    """Do what was confirmed; how many rows it changed. Or the question again, with what stands against it."""
    try:
        selection = _selection(admin, data)
    except Refused as refused:
        return _refusal(admin, action, str(refused))
    form = ReasonForm(data) if action.reason else None
    if form is not None and not form.is_valid():
        await session.stop_writing()
        return await _ask(session, person, admin, action, selection, form, parts.UNPROCESSABLE)
    agreed = int(min(_confirmed(data), _most(action)))
    applies, _others = await _counts(session, admin, action, selection)
    if applies > agreed:
        await session.stop_writing()
        return await _ask(session, person, admin, action, selection, form, parts.CONFLICT)
    await session.rollback()  # a service that begins its transaction itself can be tried again
    try:
        return await services.act(
            session,
            person,
            admin,
            action,
            *selection.where,
            _applicable(admin, action),
            at_most=agreed,
            row_id=selection.row_id,
            filter=selection.filter,
            reason=form.cleaned_data["reason"] if form is not None else "",
        )
    except services.MoreThanConfirmed:  # they came between the count and the change
        await session.stop_writing()
        return await _ask(session, person, admin, action, selection, form, parts.CONFLICT)


def back(admin: Admin, action: Action, data: QueryDict, done: int) -> str:
    """The list with the same filter, which says what was done."""
    form = form_for(admin, data)
    params = asked(form, data).params if form.is_valid() else {}
    return f"{_list(admin)}?{urlencode({**params, 'done': action.name, 'n': str(done)})}"


def _selection(admin: Admin, data: QueryDict) -> Selection:
    form = form_for(admin, data)
    if not form.is_valid():
        raise Refused(_("The filter could not be understood, so no rows are meant. Go back and correct it."))
    question = asked(form, data)
    params = list(question.params.items())
    address = f"{_list(admin)}{question.address() if params else ''}"
    if data.get("all"):
        return Selection(tuple(query.clauses(admin, question)), [], [("all", "1"), *params], address)
    ids = _ids(data.getlist("id"))
    return Selection((admin.model.id.in_(ids),), ids, [*(("id", one) for one in ids), *params], address)


def _ids(sent: Iterable[str]) -> list[str]:
    ids = list(dict.fromkeys(sent))
    if not ids:
        raise Refused(_("Nothing is selected. Go back and tick rows, or choose all that match."))
    if len(ids) > MOST_SELECTED:
        message = _("At most %(most)d rows can be selected by hand. Choose all that match.")
        raise Refused(message % {"most": MOST_SELECTED})
    if any(not is_plain(one) or len(one) > ID_LENGTH for one in ids):
        raise Refused(_("One of the ids is none. Go back and select again."))
    return ids


def _confirmed(data: QueryDict) -> int:
    """How many rows the person was told of."""
    text = data.get("confirmed", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _most(action: Action) -> float:
    return inf if action.most is None else action.most


def _applicable(admin: Admin, action: Action) -> ColumnElement[bool]:
    if not action.field:
        return true()
    clause: ColumnElement[bool] = getattr(admin.model, action.field) == action.value
    return clause


async def _counts(session: Session, admin: Admin, action: Action, selection: Selection) -> tuple[int, int]:
    """How many rows it applies to, and how many others are selected: what is confirmed must not be a guess.

    Where more than `action.most` are selected, it is one more than that: enough to refuse them.
    """
    if action.most is not None:
        some = query.counted(admin, *selection.where).limit(action.most + 1).subquery()
        return await session.scalar(select(func.count()).select_from(some)) or 0, 0
    total = select(func.count()).select_from(admin.model).where(*selection.where)
    row = await session.execute(
        select(total.scalar_subquery(), total.where(_applicable(admin, action)).scalar_subquery())
    )
    everything, applies = row.one()
    return applies, everything - applies


async def _ask(
    session: Session,
    person: Person | None,
    admin: Admin,
    action: Action,
    selection: Selection,
    form: ReasonForm | None = None,
    status: int = parts.OK,
) -> Confirmation:
    applies, others = await _counts(session, admin, action, selection)
    if applies > _most(action):
        return _too_many(admin, action, selection)
    shown = await query.first_rows(session, admin, *selection.where, _applicable(admin, action), limit=SAMPLE)
    form = form or (ReasonForm() if action.reason else None)
    if form is not None:
        form.fields["reason"].label = str(action.reason)
    return Confirmation(
        admin=admin,
        action=action,
        back=selection.back,
        status=status,
        problem=_("Meanwhile it applies to more rows than you were asked about.") if status == parts.CONFLICT else "",
        question=action.question(applies),
        oneself=str(action.oneself) if await _means(session, person, admin, action, selection) else "",
        applies=applies,
        others=others,
        missing=max(len(selection.ids) - applies - others, 0),
        sample=[values.row(admin, one) for one in shown],
        more=f"{applies - len(shown):,}" if applies > len(shown) else "",
        along=await along(session, admin, *selection.where) if action.cascades and applies else None,
        sent=[*selection.sent, ("confirmed", str(applies))],
        reason=form["reason"] if form is not None else None,
    )


async def _means(session: Session, person: Person | None, admin: Admin, action: Action, selection: Selection) -> bool:
    """Whether the row of the person who asks is among those that are meant."""
    if not action.oneself or person is None or person.actor is None:
        return False
    if selection.ids:
        return person.actor in selection.ids
    own = select(admin.model.id).where(*selection.where, admin.model.id == person.actor)
    return await session.scalar(own) is not None


def _refusal(admin: Admin, action: Action, problem: str) -> Confirmation:
    return Confirmation(admin=admin, action=action, back=_list(admin), status=parts.UNPROCESSABLE, problem=problem)


def _too_many(admin: Admin, action: Action, selection: Selection) -> Confirmation:
    message = _("At most %(most)s rows at once; more than that match. Narrow the filter, and go on in parts.")
    page = _refusal(admin, action, message % {"most": f"{action.most:,}"})
    return msgspec.structs.replace(page, back=selection.back)


def _list(admin: Admin) -> str:
    return reverse("admin:list", args=[admin.name])
