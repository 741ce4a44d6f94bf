"""Every statement of a probe is in its log once, in the order of sending; equal texts share one row."""

from collections.abc import Sequence

import msgspec

from qulab.db.lines import Line
from qulab.db.probe import Probe, Statement
from qulab.lab.charts import abbreviated
from qulab.lab.statements.tokens import Logged, token

MOST_ROWS = 100
THINNEST = 0.6  # of 100: a statement of a few microseconds is still seen


class Span(msgspec.Struct, frozen=True):
    """When a statement ran, from 0 (the request began) to 100 (its page was ready)."""

    x: float
    width: float


class Row(msgspec.Struct, frozen=True):
    """Statements of one text. `number` is that of the first; None for what only opens or ends a transaction."""

    number: int | None
    sql: str
    short: str
    times: int
    milliseconds: float
    failed: bool
    spans: list[Span]
    lines: list[Line]
    token: str

    @property
    def repeated(self) -> bool:
        return self.times > 1 and self.number is not None


class Log(msgspec.Struct, frozen=True):
    """`milliseconds` of the database, `of` of the whole request; `more` statements are counted and not listed."""

    rows: list[Row]
    count: int
    milliseconds: float
    of: float
    repeated: int
    failed: int
    more: int


def log_of(opened: Probe, dialect: str, *, until: float) -> Log:
    """What `opened` collected; `until` is how long it has been open (milliseconds)."""
    texts: dict[str, list[Statement]] = {}
    numbers: dict[str, int] = {}
    counted = [one for one in opened.statements if not one.controls]
    for number, one in enumerate(counted, 1):
        numbers.setdefault(one.sql, number)
    for one in opened.statements:
        texts.setdefault(one.sql, []).append(one)
    shown = dict(list(texts.items())[:MOST_ROWS])
    listed = sum(len(sent) for sql, sent in shown.items() if sql in numbers)
    return Log(
        rows=[_row(numbers.get(sql), sent, dialect, until) for sql, sent in shown.items()],
        count=opened.count,
        milliseconds=sum(one.milliseconds for one in opened.statements),
        of=until,
        repeated=len(counted) - len(numbers),
        failed=sum(one.failed for one in opened.statements),
        more=opened.count - listed,
    )


def _row(number: int | None, sent: Sequence[Statement], dialect: str, until: float) -> Row:
    sql = sent[0].sql
    return Row(
        number=number,
        sql=sql,
        short=abbreviated(sql),
        times=len(sent),
        milliseconds=sum(one.milliseconds for one in sent),
        failed=any(one.failed for one in sent),
        spans=[_span(one, until) for one in sent],
        lines=list(dict.fromkeys(one.line for one in sent if one.line is not None)),
        token=token(Logged(dialect, sql)),
    )


def _span(one: Statement, until: float) -> Span:
    width = min(max(100 * one.milliseconds / until, THINNEST), 100)
    return Span(round(min(100 * one.start / until, 100 - width), 2), round(width, 2))
