"""The code on a page is cut out of the file that runs, by name, at render time: it cannot differ from what ran."""

import ast
import re
import textwrap
from collections.abc import Iterator
from functools import lru_cache
from html import escape
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec
from django.conf import settings
from pygments.lexer import Lexer
from pygments.lexers import PythonLexer, SqlLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String


class SourceMissing(LookupError):
    """A page wants to show code that is not there under that name. Give the template the new name."""

    def __init__(self, path: str, name: str = "") -> None:
        missing = f"defines no {name!r}" if name else "is no file that is shown"
        super().__init__(f"{path} {missing}. Give the template that shows it the new name.")


class Source(msgspec.Struct, frozen=True):
    """A piece of one file, as highlighted HTML."""

    path: str
    name: str
    line: int
    html: str


PACKAGES = frozenset({"qulab", "accounts", "assessments", "outbox"})
PATH = re.compile(r"(\w+/)+\w+\.py", re.ASCII)


class Listing(msgspec.Struct, frozen=True):
    """A whole file, as highlighted HTML, a piece for each line."""

    path: str
    lines: list[str]


def is_shown(path: str) -> bool:
    """Whether it names a Python file of the product: plain names below its packages, so that no path leads out."""
    return PATH.fullmatch(path) is not None and path.partition("/")[0] in PACKAGES


def listing(path: str) -> Listing:
    """Raises SourceMissing for all but the files that `is_shown` allows, also for a link that leads out of them."""
    file = settings.BASE_DIR / path
    if not is_shown(path) or not file.is_file() or file.resolve() != file:
        raise SourceMissing(path)
    return _whole(path, file.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _whole(path: str, _changed: int) -> Listing:
    return Listing(path, _python_lines((settings.BASE_DIR / path).read_text(encoding="utf-8")))


def source(path: str, name: str = "") -> Source:
    """The definition `name` (`function`, `Class`, `Class.method` or a module's constant) of a file of ours."""
    file = settings.BASE_DIR / path
    return _cut(path, name, file.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _cut(path: str, name: str, _changed: int) -> Source:
    text = (settings.BASE_DIR / path).read_text(encoding="utf-8")
    first, last = _lines(ast.parse(text), path, name) if name else (1, text.count("\n") + 1)
    piece = textwrap.dedent("\n".join(text.splitlines()[first - 1 : last]))
    return Source(path, name, first, python(piece))


def _lines(tree: ast.Module, path: str, name: str) -> tuple[int, int]:
    scope: list[ast.stmt] = tree.body
    found: ast.stmt | None = None
    for part in name.split("."):
        found = next((node for node in scope if part in _names(node)), None)
        if found is None:
            raise SourceMissing(path, name)
        scope = getattr(found, "body", [])
    assert found is not None
    decorators: list[ast.expr] = getattr(found, "decorator_list", [])
    return min([found.lineno, *(d.lineno for d in decorators)]), found.end_lineno or found.lineno


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


# The token types that have a colour, and the class that gives it; all others stay bare text, which keeps pages small.
COLOURS = (
    (Comment, "c"),
    (String.Doc, "c"),
    (String, "s"),
    (Keyword.Constant, "m"),
    (Number, "m"),
    (Keyword, "k"),
    (Operator.Word, "k"),
    (Name.Function, "f"),
    (Name.Class, "f"),
    (Name.Builtin, "f"),
)


def _html(lexer: Lexer, text: str) -> str:
    return "".join(_marked(colour, piece) for colour, piece in _pieces(lexer, text))


def _pieces(lexer: Lexer, text: str) -> Iterator[tuple[str, str]]:
    """The text in its order, cut where the colour changes."""
    coloured = ((_colour(kind), value) for kind, value in lexer.get_tokens(text))
    for colour, run in groupby(coloured, key=itemgetter(0)):
        yield colour, "".join(value for _, value in run)


def _marked(colour: str, text: str) -> str:
    return f'<i class="{colour}">{escape(text)}</i>' if colour and text else escape(text)


def _python_lines(text: str) -> list[str]:
    """The same for each line by itself: what spans lines is marked once in each."""
    lines = [""]
    for colour, piece in _pieces(PythonLexer(stripnl=False), text):
        first, *others = piece.split("\n")
        lines[-1] += _marked(colour, first)
        lines += [_marked(colour, one) for one in others]
    return lines[:-1]


def _colour(kind: Any) -> str:
    return next((colour for parent, colour in COLOURS if kind in parent), "")


def python(text: str) -> str:
    """Highlighted Python."""
    return _html(PythonLexer(), text)


@lru_cache(maxsize=256)
def sql(text: str) -> str:
    """Highlighted SQL."""
    return _html(SqlLexer(), text).rstrip("\n")
