"""The code on a page is cut out of the file that runs, by name, at render time: it cannot differ from what ran."""

import ast
import textwrap
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

    def __init__(self, path: str, name: str) -> None:
        super().__init__(f"{path} defines no {name!r}. Give the template that shows it the new name.")


class Source(msgspec.Struct, frozen=True):
    """A piece of one file, as highlighted HTML."""

    path: str
    name: str
    line: int
    html: str


def source(path: str, name: str = "") -> Source:
    """The definition `name` (`function`, `Class`, `Class.method` or a module's constant) of a file of ours."""
    file = settings.BASE_DIR / path
    return _cut(path, name, file.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _cut(path: str, name: str, _changed: int) -> Source:
    text = (settings.BASE_DIR / path).read_text(encoding="utf-8")
    first, last = _lines(ast.parse(text), path, name) if name else (1, text.count("\n") + 1)
    piece = textwrap.dedent("\n".join(text.splitlines()[first - 1 : last]))
    return Source(path, name, first, _python(piece))


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
    coloured = ((_colour(kind), value) for kind, value in lexer.get_tokens(text))
    pieces = ((colour, "".join(value for _, value in run)) for colour, run in groupby(coloured, key=itemgetter(0)))
    return "".join(f'<i class="{colour}">{escape(text)}</i>' if colour else escape(text) for colour, text in pieces)


def _colour(kind: Any) -> str:
    return next((colour for parent, colour in COLOURS if kind in parent), "")


def _python(text: str) -> str:
    return _html(PythonLexer(), text)


@lru_cache(maxsize=256)
def sql(text: str) -> str:
    """Highlighted SQL."""
    return _html(SqlLexer(), text).rstrip("\n")
