"""A file holds every row that was there when it was asked for and matches; no session is held while it is written out.

A file that ends early is never taken for a whole one: its connection breaks, and its JSON stays open.
"""

import asyncio
import csv
import io
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from django.http import QueryDict, StreamingHttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from sqlalchemy import Row, Select, inspect, select, update
from sqlalchemy.exc import SQLAlchemyError

from qulab.access.limits import Limit, Refusal
from qulab.access.person import Person
from qulab.admin import audit, query
from qulab.admin.asked import Asked, asked, form_for
from qulab.admin.declare import Admin
from qulab.admin.models import Audit
from qulab.db.base import utcnow
from qulab.db.engine import get_database
from qulab.db.keyset import beyond, ordered
from qulab.db.session import Session

logger = logging.getLogger(__name__)

ACTION = "export"
BATCH = 1_000  # rows read at once
LARGE_BATCH = 20  # where one row can hold as much as a thousand others
CUT_OFF = "The file was cut off: it does not hold all rows."
RETRY_SECONDS = 10
# What a spreadsheet would calculate (OWASP, CSV injection), also in the full width of East Asian keyboards.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
ONE_AT_A_TIME = Limit(
    "exports", 1, RETRY_SECONDS, _("An export of yours is being written. Let it end, or cancel it, then ask again.")
)


class Format(StrEnum):
    CSV = "csv"
    JSON = "json"

    @property
    def content_type(self) -> str:
        return {Format.CSV: "text/csv; charset=utf-8", Format.JSON: "application/json"}[self]


class Busy(Exception):
    """This person's other file is not written yet."""

    refusal = Refusal(ONE_AT_A_TIME, RETRY_SECONDS)


class Export:
    """One file, written once. While it lives it holds its person's only place in this process; see `close`."""

    _under_way: "WeakValueDictionary[str, Export]" = WeakValueDictionary()

    def __init__(self, admin: Admin, question: Asked, form: Format, actor: str | None) -> None:
        """Raises Busy."""
        self.admin, self.question, self.form = admin, question, form
        self.audit_id = ""
        self.rows = 0  # that were handed on
        self._actor = actor or ""
        if self._actor in self._under_way:
            raise Busy
        self._under_way[self._actor] = self

    @property
    def file_name(self) -> str:
        return f"{self.admin.name}-{utcnow():%Y-%m-%d}.{self.form}"

    def close(self) -> None:
        """Make room for the next one: the response calls this at its end, however it came to it."""
        if self._under_way.get(self._actor) is self:
            del self._under_way[self._actor]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        whole = False
        try:
            async for count, part in self._parts():
                yield part
                self.rows += count
            whole = True
        except Exception as error:
            logger.error(
                "the export of %s was cut off after %d rows: %s", self.admin.name, self.rows, type(error).__name__
            )
            raise
        finally:
            self.close()
            await asyncio.shield(_note(self.audit_id, self.rows, whole=whole))

    async def _parts(self) -> AsyncIterator[tuple[int, bytes]]:
        """The file in parts, each with its number of rows."""
        file = FILES[self.form]([name for name, _attribute in columns(self.admin)])
        where, size, place = query.clauses(self.admin, self.question), batch_size(self.admin), None
        keys = query.order_keys(self.admin, self.question)
        yield 0, file.head()
        while True:
            rows = await _read(batch(self.admin, self.question, where, place).limit(size))
            if rows:
                yield len(rows), file.rows(rows)
            if len(rows) < size:
                break
            place = _place(self.admin, keys, rows[-1])
        yield 0, file.tail()


async def begin(session: Session, admin: Admin, form: Format, data: QueryDict, person: Person | None) -> Export | None:
    """Note who takes what, and commit; only then is there anything to take. None where the filter is not understood.

    Raises Busy.
    """
    filters = form_for(admin, data)
    if not filters.is_valid():
        return None
    question = asked(filters, data)
    export = Export(admin, question, form, person.actor if person else None)
    entry = audit.record(
        session, person, action=ACTION, list_name=admin.name, rows=0, filter={**question.params, "format": form}
    )
    await session.commit()
    export.audit_id = entry.id
    return export


def back(admin: Admin, data: QueryDict) -> str:
    """The list with the same questions, which says what it does not understand of them."""
    params = {name: str(data[name]) for name in form_for(admin, data).fields if data.get(name)}
    return f"{reverse('admin:list', args=[admin.name])}?{urlencode(params)}"


def response(export: Export) -> StreamingHttpResponse:
    disposition = f'attachment; filename="{export.file_name}"'
    return StreamingHttpResponse(
        export, content_type=export.form.content_type, headers={"Content-Disposition": disposition}
    )


# --- Reading ---------------------------------------------------------------------------------------------------------


def columns(admin: Admin) -> list[tuple[str, Any]]:
    """All columns of the model: their names in the database, and its attributes."""
    attributes = inspect(admin.model).column_attrs
    return [(one.columns[0].name, getattr(admin.model, one.key)) for one in attributes]


def batch_size(admin: Admin) -> int:
    return LARGE_BATCH if admin.large else BATCH


def batch(admin: Admin, question: Asked, where: Sequence[Any], place: Sequence[Any] | None) -> Select[Any]:
    """The rows behind `place`, in the order that was asked for."""
    keys = query.order_keys(admin, question)
    statement = select(*(attribute for _name, attribute in columns(admin))).where(*where)
    if place is not None:
        statement = statement.where(beyond(keys, place, descending=question.descending))
    return statement.order_by(*ordered(keys, descending=question.descending))


def _place(admin: Admin, keys: Sequence[Any], row: Row[Any]) -> list[Any]:
    by_key = dict(zip((attribute.key for _name, attribute in columns(admin)), row, strict=True))
    return [by_key[key.key] for key in keys]


async def _read(statement: Select[Any]) -> Sequence[Row[Any]]:
    async with get_database().reading() as session:
        return (await session.execute(statement)).all()


async def _note(audit_id: str, rows: int, *, whole: bool) -> None:
    """Say in the audit how many rows were handed on. The file is written by then, whatever becomes of this."""
    try:
        async with get_database().writing() as session:
            values = {"rows": rows} if whole else {"rows": rows, "reason": CUT_OFF}
            await session.execute(update(Audit).where(Audit.id == audit_id).values(**values))
            await session.commit()
    except (SQLAlchemyError, OSError):
        logger.exception("the audit row %s does not say that %d rows were exported", audit_id, rows)


# --- Writing ---------------------------------------------------------------------------------------------------------


class CsvFile:
    """RFC 4180 in UTF-8, a line of names first. NULL is an empty field."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def head(self) -> bytes:
        return self._lines([self._names])

    def rows(self, rows: Sequence[Row[Any]]) -> bytes:
        return self._lines([[csv_field(value) for value in row] for row in rows])

    def tail(self) -> bytes:
        return b""

    def _lines(self, rows: Sequence[Sequence[Any]]) -> bytes:
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        return text.getvalue().encode()


class JsonFile:
    """One array of objects, a row each."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._between = b""

    def head(self) -> bytes:
        return b"["

    def rows(self, rows: Sequence[Row[Any]]) -> bytes:
        objects = [msgspec.json.encode(dict(zip(self._names, row, strict=True))) for row in rows]
        part = self._between + b"\n" + b",\n".join(objects)
        self._between = b","
        return part

    def tail(self) -> bytes:
        return b"\n]\n"


FILES: dict[Format, type[CsvFile | JsonFile]] = {Format.CSV: CsvFile, Format.JSON: JsonFile}


def csv_field(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula is marked as text; a number stays one."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return value
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case dict() | list():
            return msgspec.json.encode(value).decode()
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
