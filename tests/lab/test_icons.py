"""An icon that a page names has a file, and no file is carried along for nothing."""

import re
from pathlib import Path

from django.conf import settings

from qulab.lab.icons import FOLDER, icon

NAMED = re.compile(r'{% icon "([\w-]+)" %}')


def named() -> set[str]:
    templates = Path(settings.BASE_DIR / "templates").rglob("*.html")
    return {name for template in templates for name in NAMED.findall(template.read_text())}


def test_each_file_is_used_and_each_use_has_a_file() -> None:
    assert {file.stem for file in FOLDER.glob("*.svg")} == named()


def test_an_icon_is_drawn_and_says_nothing() -> None:
    for name in named():
        drawn = icon(name)

        assert re.search(r"<(path|rect|circle)", drawn)
        assert 'aria-hidden="true"' in drawn
        assert "style=" not in drawn


def test_their_licence_stands_beside_them() -> None:
    assert "ISC License" in (FOLDER / "LICENSE.txt").read_text()
