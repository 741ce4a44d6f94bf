"""What the lab has logged alone is explained: a statement leaves a page signed, and comes back as it was."""

import re

import msgspec
from django.core import signing

SALT = "qulab.lab.statements"
MAX_AGE = 24 * 3600  # seconds
LONGEST = 4_000  # characters of a token: it is part of an address
EXPLAINABLE = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)


class Logged(msgspec.Struct, frozen=True):
    """A statement as its driver got it, and the kind of database that it was sent to."""

    dialect: str
    sql: str


class Unsigned(Exception):
    """This is no statement that the lab has logged, or it was changed on its way. Only logged ones are explained."""


class TooOld(Exception):
    """This statement was logged more than a day ago. Open its page again, and ask from there."""


def token(statement: Logged) -> str:
    """What `logged` reads; empty for what no database explains, and for what is too long for an address."""
    if not EXPLAINABLE.match(statement.sql):
        return ""
    signed = signing.dumps([statement.dialect, statement.sql], salt=SALT, compress=True)
    return signed if len(signed) <= LONGEST else ""


def logged(text: str) -> Logged:
    """Raises Unsigned or TooOld."""
    try:
        dialect, sql = signing.loads(text, salt=SALT, max_age=MAX_AGE)
    except signing.SignatureExpired:
        raise TooOld from None
    except (signing.BadSignature, ValueError):
        raise Unsigned from None
    return Logged(dialect, sql)
