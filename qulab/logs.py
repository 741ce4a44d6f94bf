"""No line of a log says who a person is, or lets its reader in: it is cleared of both when it is formatted.

A server that is away is one line, not a page of frames for each attempt to reach it.
"""

import logging
import re
from ipaddress import ip_address, ip_network

HIDDEN = "…"
NETWORK_BITS = {4: 24, 6: 48}  # of a caller's address that are written
SERVER_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access")

_NAME = r"\w{0,30}(?:password|passwd|token|secret|api_?key|session|authorization|cookie|reset)\w{0,30}"
# Each pattern takes a time that grows with the text, not with its square: a caller chooses the path that is logged.
_ATOM = r"[\w.!#$%&'*+=?^`{|}~-]"  # of the local part of an address, RFC 5322
RULES = [
    (r"(?i)\b(bearer\s+)[\w.~+/=-]+", rf"\1{HIDDEN}"),
    # What PostgreSQL and its driver tell of a row: "Key (email)=(…) already exists.", "Failing row contains (…)."
    (r"(?s)\bDETAIL:\s.*?(?=\n(?:HINT|\[SQL|Traceback|\s*File \"|The above|During handling)|\Z)", f"DETAIL: {HIDDEN}"),
    (r"(invalid input (?:for query argument \$\d+|syntax for type [\w ]+):).*", rf"\1 {HIDDEN}"),
    (r"(\w://)[^/\s]*@", rf"\1{HIDDEN}@"),  # in the address of a server
    (rf"(?i)(['\"]{_NAME}['\"]\s*[:,]\s*)(['\"]).*?\2", rf"\1\2{HIDDEN}\2"),  # in a dict, or a pair
    (rf"(?i)\b({_NAME}=)[^\s&;,)]+", rf"\1{HIDDEN}"),  # in a form, a query, a cookie
    (r"(/accounts/reset/)[^\s\"'?]+", rf"\1{HIDDEN}"),  # whoever has it, may enter
    (r'"[^"\n]{1,64}+"@[\w.\[\]:-]+', f"{HIDDEN}@{HIDDEN}"),  # of a person, in quotes
    (r"(?<![\w.+'~-])[\w.+'~-]++%40[\w.\[\]:-]+", f"{HIDDEN}@{HIDDEN}"),  # of a person, in a path
    (rf"(?<!{_ATOM}){_ATOM}++@(?=[\w-]*\.|\[|localhost\b)[\w.\[\]:-]+", f"{HIDDEN}@{HIDDEN}"),  # of a person
]
_RULES = [(re.compile(pattern), instead) for pattern, instead in RULES]


def cleared(text: str) -> str:
    """The text without people's addresses, passwords, tokens and values of rows."""
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text


class Clearing(logging.Formatter):
    """Formats as it would, or as the formatter does that it is put around."""

    def __init__(self, *arguments: str | None, around: logging.Formatter | None = None, **named: str | None) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self._around = around

    def format(self, record: logging.LogRecord) -> str:
        return cleared(self._around.format(record) if self._around else super().format(record))


class WithoutQuery(logging.Filter):
    """Of a request that uvicorn logs: the path alone, and of the caller's address the network."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) == 5:
            caller, method, address, *rest = record.args
            record.args = (_network(str(caller)), method, str(address).partition("?")[0], *rest)
        return True


def clear_server_logs() -> None:
    """Uvicorn sets up loggers of its own before it loads the application, or after: call this for both."""
    for name in SERVER_LOGGERS:
        for handler in logging.getLogger(name).handlers:
            if not isinstance(handler.formatter, Clearing):
                handler.setFormatter(Clearing(around=handler.formatter or logging.Formatter()))
    access = logging.getLogger("uvicorn.access")
    if not any(isinstance(one, WithoutQuery) for one in access.filters):
        access.addFilter(WithoutQuery())


def _network(caller: str) -> str:
    host = caller.rpartition(":")[0].strip("[]")  # uvicorn writes host:port
    try:
        address = ip_address(host)
    except ValueError:
        return HIDDEN
    return caller if address.is_loopback else str(ip_network((address, NETWORK_BITS[address.version]), strict=False))


class InOneLine(logging.Filter):
    """Anybody can ask under any host's name, as often as they like."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = None
        return True


class OutagesInOneLine(logging.Filter):
    """Keeps the first line of a record whose exception says that a connection failed."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        while error is not None:
            if isinstance(error, OSError) or type(error).__name__ in {"OperationalError", "ConnectionError"}:
                record.exc_info = None
                # Celery's beat puts the stack into the message.
                record.msg, record.args = record.getMessage().partition("\n")[0], None
                break
            error = error.__cause__ or error.__context__
        return True
