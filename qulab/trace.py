"""A trace goes on in the events that it causes: each event keeps the trace id, and has a span of its own.

Source: W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context/). A header that is not valid counts as none.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec

VERSION = "00"
INVALID_VERSION = "ff"
SAMPLED = 1  # the one flag that level 1 knows

_HEADER = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class Trace(msgspec.Struct, frozen=True):
    """What stays the same along a trace. `sampled`: who began it may be recording it."""

    id: str
    sampled: bool = False

    def traceparent(self) -> str:
        """The header for one step of the trace, with a new span id."""
        return f"{VERSION}-{self.id}-{secrets.token_hex(8)}-{int(self.sampled):02x}"


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def begin() -> Trace:
    return Trace(secrets.token_hex(16))


def current() -> Trace | None:
    """The trace that came with what is being handled; None where nothing came."""
    return _current.get()


@contextmanager
def within(traceparent: str | None) -> Iterator[None]:
    """Handle something that came with this header, or with none."""
    token = _current.set(parse(traceparent))
    try:
        yield
    finally:
        _current.reset(token)


def parse(traceparent: object) -> Trace | None:
    """The trace of a header; None where the standard calls it invalid, and for what is no text at all."""
    found = _HEADER.fullmatch(traceparent) if isinstance(traceparent, str) else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == INVALID_VERSION or (version == VERSION and more) or not (int(trace_id, 16) and int(span_id, 16)):
        return None
    return Trace(trace_id, bool(int(flags, 16) & SAMPLED))


def named(traceparent: object) -> str:
    """What a log record adds about an event: its trace, where it has one."""
    trace = parse(traceparent)
    return f", trace {trace.id}" if trace else ""
