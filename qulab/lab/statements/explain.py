"""A plan is asked for, and the statement is never run: no values are known, so all parameters are NULL.

PostgreSQL would plan `id = NULL` as nothing to do. A prepared statement with a generic plan is planned for any value.
"""

import re
import secrets
from collections.abc import Sequence

import msgspec
from django.utils.translation import gettext as _
from sqlalchemy import Row
from sqlalchemy.exc import DBAPIError

from qulab.db.session import Session
from qulab.lab.statements.tokens import Logged

TIMEOUT_MS = 2_000  # to plan; PostgreSQL
QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
LIST = re.compile(r"(\$\d+)(?:, \$\d+){2,}, (\$\d+)")  # of an IN with hundreds of values
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


class Step(msgspec.Struct, frozen=True):
    """What a line of a plan means; `whole` where a table is read from end to end."""

    text: str
    whole: bool = False


class Plan(msgspec.Struct, frozen=True):
    """The plan as its database writes it, and what it says; or, in `problem`, why there is none."""

    statement: Logged
    lines: list[str]
    steps: list[Step]
    problem: str = ""

    @property
    def database(self) -> str:
        return NAMES.get(self.statement.dialect, self.statement.dialect)


async def explain(session: Session, statement: Logged) -> Plan:
    """The plan of a statement, by the database of a read session. Never raises for what the database refuses."""
    here = session.get_bind().dialect.name
    if here != statement.dialect:
        return _no_plan(
            statement,
            _("This statement was written for %(its)s, and the lab runs on %(here)s now.")
            % {"its": NAMES.get(statement.dialect, statement.dialect), "here": NAMES[here]},
        )
    try:
        return read(statement, await plan_lines(session, statement.sql))
    except DBAPIError as error:
        return _no_plan(statement, _("The database refuses to plan this: %(why)s") % {"why": _why(error)})


def read(statement: Logged, lines: list[str]) -> Plan:
    """The plan with its meaning."""
    return Plan(statement, lines, [step for line in lines if (step := _step(line))])


async def plan_lines(session: Session, sql: str) -> list[str]:
    """The plan as the session's database writes it, but for long lists of parameters. Raises DBAPIError."""
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    lines = await (_on_sqlite if on_sqlite else _on_postgresql)(session, sql)
    return [LIST.sub(r"\1, …, \2", line) for line in lines]


def _no_plan(statement: Logged, problem: str) -> Plan:
    return Plan(statement, [], [], problem)


def _why(error: DBAPIError) -> str:
    """The driver's own words, without the name of its class."""
    return str(error.orig).splitlines()[0].rpartition(">: ")[2]


# --- SQLite ----------------------------------------------------------------------------------------------------------


async def _on_sqlite(session: Session, sql: str) -> list[str]:
    connection = await session.connection()
    nulls = (None,) * QUOTED.sub("", sql).count("?")
    found = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", nulls)
    return _tree(found.all())


def _tree(rows: Sequence[Row[tuple[int, int, int, str]]]) -> list[str]:
    """Each step, indented below the one that it serves."""
    depth = {0: -1}
    for step, parent, *_unused in rows:
        depth[step] = depth.get(parent, -1) + 1
    return [f"{'  ' * depth[row[0]]}{row[3]}" for row in rows]


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


async def _on_postgresql(session: Session, sql: str) -> list[str]:
    connection, name = await session.connection(), f"explained_{secrets.token_hex(4)}"
    await connection.exec_driver_sql(f"SET LOCAL statement_timeout = {TIMEOUT_MS}")
    await connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
    await connection.exec_driver_sql(f"PREPARE {name} AS {sql}")
    try:
        async with connection.begin_nested():  # a refusal leaves the transaction usable for what comes next
            found = await connection.exec_driver_sql(f"EXPLAIN EXECUTE {name}{_nulls(sql)}")
            return [str(row[0]) for row in found]
    finally:
        # A prepared statement outlives its transaction, and this connection goes back to the pool.
        await connection.exec_driver_sql(f"DEALLOCATE {name}")


def _nulls(sql: str) -> str:
    most = max((int(number) for number in re.findall(r"\$(\d+)", QUOTED.sub("", sql))), default=0)
    return f"({', '.join(['NULL'] * most)})" if most else ""


# --- In words --------------------------------------------------------------------------------------------------------


def _step(line: str) -> Step | None:
    """What one line says, for those that decide how long a statement takes."""
    for pattern, words, whole in _readings():
        if found := pattern.search(line):
            return Step(words % found.groupdict(), whole)
    return None


def _readings() -> list[tuple[re.Pattern[str], str, bool]]:
    by_index = _("finds rows of %(table)s through the index %(index)s")
    in_order = _("walks through %(table)s in the order of the index %(index)s")
    return [
        (re.compile(r"Seq Scan on (?P<table>\w+)"), _("reads every row of %(table)s"), True),
        (re.compile(r"Index (?:Only )?Scan(?: Backward)? using (?P<index>\w+) on (?P<table>\w+)"), by_index, False),
        (re.compile(r"Bitmap Index Scan on (?P<index>\w+)"), _("collects rows from the index %(index)s"), False),
        (re.compile(r"^\s*(?:->  )?(?:Incremental )?Sort\b"), _("sorts what it found"), False),
        (re.compile(r"SEARCH (?P<table>\w+) USING (?:COVERING )?INDEX (?P<index>\w+)"), by_index, False),
        (
            re.compile(r"SEARCH (?P<table>\w+) USING INTEGER PRIMARY KEY"),
            _("finds rows of %(table)s by their number"),
            False,
        ),
        (re.compile(r"SCAN (?P<table>\w+) USING (?:COVERING )?INDEX (?P<index>\w+)"), in_order, False),
        (re.compile(r"SCAN (?P<table>\w+)"), _("reads every row of %(table)s"), True),
        (re.compile(r"USE TEMP B-TREE FOR"), _("sorts what it found"), False),
    ]
