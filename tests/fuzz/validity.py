"""Every row of every table is one that the project's own forms and models would have let in."""

import json
import math
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unicodedata import category

import asyncpg
from django.contrib.auth.hashers import identify_hasher
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from sqlalchemy import JSON, Column, Float, Integer, String, Table, Text, select, text

from accounts.admin import UserFields
from assessments.admin import AssessmentFields
from assessments.occupations import OCCUPATIONS
from qulab.db.base import Base, UTCDateTime
from qulab.db.engine import Database

LARGEST = 2**31 - 1
WRITTEN_BY_PROGRAMS = {"last_error", "error", "result", "samples", "environment", "payload", "calculation_metadata"}


async def what_is_wrong(database: Database) -> list[str]:
    wrong: list[str] = []
    async with database.reading() as session:
        for table in Base.metadata.sorted_tables:
            for row in (await session.execute(select(table))).mappings():
                wrong += [f"{table.name} {dict(row)!r:.300}: {why}" for why in _of_row(table, row)]
        if database.dialect == "sqlite":
            wrong += [f"foreign key of {row!r}" for row in await session.execute(text("PRAGMA foreign_key_check"))]
    return wrong


def _of_row(table: Table, row: Any) -> Iterator[str]:
    for column in table.columns:
        value = row[column]
        if value is None:
            if not column.nullable:
                yield f"{column.name} is missing"
        else:
            yield from (f"{column.name} {why}" for why in _of_value(column, value))
    rule = RULES.get(table.name)
    if rule is not None:
        yield from rule(row)


def _of_value(column: Column[Any], value: Any) -> Iterator[str]:
    kind = column.type
    if isinstance(kind, JSON):
        try:
            json.dumps(value, allow_nan=False)
        except ValueError as error:
            yield f"is no JSON: {error}"
        yield from (why for one in _strings(value) for why in _of_text(column, one))
    elif isinstance(kind, UTCDateTime):
        if not datetime(2020, 1, 1, tzinfo=UTC) < value < datetime.now(UTC) + timedelta(days=30):
            yield "is no time of this project"
    elif isinstance(kind, String | Text):
        if kind.length is not None and len(value) > kind.length:
            yield f"is longer than {kind.length}"
        yield from _of_text(column, value)
    elif isinstance(kind, Float):
        if not math.isfinite(value):
            yield "is not finite"
    elif isinstance(kind, Integer) and not -LARGEST <= value <= LARGEST and column.name not in {"seq", "batch"}:
        yield "is beyond what the column holds"


def _of_text(column: Column[Any], value: str) -> Iterator[str]:
    refused = {"Cs"} if column.name in WRITTEN_BY_PROGRAMS else {"Cs", "Cc"}
    if any(category(sign) in refused for sign in value) or "\x00" in value or "\ufffd" in value:
        yield f"has characters that are no text: {value!r:.80}"


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (one for pair in value.items() for part in pair for one in _strings(part))
    elif isinstance(value, list):
        yield from (one for part in value for one in _strings(part))


def _of_user(row: Any) -> Iterator[str]:
    yield from _of_form(UserFields(dict(row)))
    try:
        validate_email(row["email"])
    except ValidationError:
        yield "email is none"
    if row["email"] != row["email"].strip().lower():
        yield "email is not in the form that is stored"
    if row["version"] < 1:
        yield "version is none"


def _of_assessment(row: Any) -> Iterator[str]:
    yield from _of_form(AssessmentFields(dict(row)))
    if abs(row["current_ability"]) > 10 or row["items_administered"] < 0 or row["version"] < 1:
        yield "has figures that no test gives"


def _of_score(row: Any) -> Iterator[str]:
    figures = [row[name] for name in ("air_score", "vr_score", "hr_score", "synergy_score", "ci_lower", "ci_upper")]
    if not all(0 <= figure <= 100 for figure in figures):
        yield "has figures beyond 0–100"
    if not row["ci_lower"] <= row["air_score"] <= row["ci_upper"]:
        yield "lies beyond its own interval"
    if row["occupation_code"] not in OCCUPATIONS:
        yield "is about an occupation that is not known"


def _of_credentials(row: Any) -> Iterator[str]:
    try:
        identify_hasher(row["password"])
    except ValueError:
        yield "password is no hash"


def _of_form(form: Any) -> Iterator[str]:
    if not form.is_valid():
        yield f"would be refused: {form.errors.as_json()}"


RULES = {
    "users": _of_user,
    "assessments": _of_assessment,
    "air_scores": _of_score,
    "credentials": _of_credentials,
}


class Watch:
    """Whether anything was stored since it was last asked."""

    def __init__(self, database: Database) -> None:
        self._url = database.url
        self._tables = [table.name for table in Base.metadata.sorted_tables]
        self._file: sqlite3.Connection | None = None
        self._server: Any = None
        self._before: tuple[Any, ...] = ()

    async def open(self) -> None:
        if self._url.get_backend_name() == "sqlite":
            self._file = sqlite3.connect(str(self._url.database), isolation_level=None)
        else:
            plain = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
            self._server = await asyncpg.connect(plain)
        await self.look()

    async def close(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._server is not None:
            await self._server.close()

    async def look(self) -> None:
        self._before = await self._state()

    async def something_changed(self) -> bool:
        before, now = self._before, await self._state()
        self._before = now
        if self._file is not None or now == before:
            return now != before
        # A transaction that wrote and was rolled back has a number too, and left neither a row nor a gap.
        return now[1:] != before[1:] or await self._has_rows_since(before[0])

    async def _state(self) -> tuple[Any, ...]:
        if self._file is not None:
            return tuple(self._file.execute("PRAGMA data_version").fetchone())
        counts = ", ".join(f"(SELECT count(*) FROM {name})" for name in self._tables)
        row = await self._server.fetchrow(f"SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, {counts}")
        return tuple(row)

    async def _has_rows_since(self, number: int) -> bool:
        for name in self._tables:
            if await self._server.fetchval(f"SELECT 1 FROM {name} WHERE xmin::text::bigint >= $1 LIMIT 1", number):
                return True
        return False
