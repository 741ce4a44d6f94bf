"""Whole files of the product's own packages are shown, and no other file of this machine."""

import re
from html import unescape
from pathlib import Path

import pytest
from django.conf import settings

from qulab.lab.sources import SourceMissing, is_shown, listing
from tests.lab.conftest import Lab, text_of


def as_text(html: str) -> str:
    return unescape(re.sub(r"<.*?>", "", html))


FILES = sorted(
    file.relative_to(settings.BASE_DIR).as_posix()
    for package in ("qulab", "accounts", "assessments", "outbox")
    for file in (settings.BASE_DIR / package).rglob("*.py")
    if file.stat().st_size
)


class TestTheList:
    def test_has_every_file_line_for_line(self) -> None:
        for path in FILES:
            lines = (settings.BASE_DIR / path).read_text(encoding="utf-8").split("\n")[:-1]

            assert [as_text(line) for line in listing(path).lines] == lines, path

    @pytest.mark.parametrize(
        "path",
        [
            "manage.py",
            "tests/conftest.py",
            "pyproject.toml",
            "qulab/static/qulab/js/live.js",
            "qulab",
            "qulab/",
            "qulab/nowhere.py",
            "qulab/../manage.py",
            "qulab/../tests/conftest.py",
            "qulab//asgi.py",
            "/etc/passwd",
            "qulab/asgi.py\x00",
            "qulab/asgi.py\n",
            "../qulab/asgi.py",
            ".venv/lib/x.py",
        ],
    )
    def test_has_no_other_file(self, path: str) -> None:
        with pytest.raises(SourceMissing):
            listing(path)

    def test_has_no_file_that_a_link_leads_to(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(settings, "BASE_DIR", tmp_path)
        (tmp_path / "qulab").mkdir()
        (tmp_path / "qulab/real.py").write_text("x = 1\n")
        (tmp_path / "secret.py").write_text("secret = 1\n")
        (tmp_path / "qulab/link.py").symlink_to(tmp_path / "secret.py")
        (tmp_path / "outbox").symlink_to(tmp_path / "qulab")

        assert listing("qulab/real.py").path == "qulab/real.py"
        for path in ("qulab/link.py", "outbox/real.py"):
            with pytest.raises(SourceMissing):
                listing(path)

    def test_shows_a_file_as_it_is_now(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(settings, "BASE_DIR", tmp_path)
        (tmp_path / "qulab").mkdir()
        for text in ("before = 1\n", "after = 1\nmore = 2\n"):
            (tmp_path / "qulab/file.py").write_text(text)

            assert [as_text(line) for line in listing("qulab/file.py").lines] == text.splitlines()


class TestThePage:
    async def test_has_an_anchor_and_a_link_for_each_line(self, lab: Lab) -> None:
        page = text_of(await lab.get("/lab/source/accounts/repositories.py"))

        lines = len(listing("accounts/repositories.py").lines)
        assert re.findall(r'<span id="L(\d+)"><a href="#L\d+"', page) == [str(one + 1) for one in range(lines)]

    @pytest.mark.parametrize(
        "path", ["manage.py", "qulab/../manage.py", "qulab/%2e%2e/manage.py", "%2e%2e/x.py", "/etc/passwd", "qulab/x"]
    )
    async def test_is_not_there_for_other_files(self, lab: Lab, path: str) -> None:
        page = await lab.get(f"/lab/source/{path}")

        assert page.status_code == 404
        assert "Only the Python files" in text_of(page)

    async def test_escapes_what_the_file_says(self, lab: Lab) -> None:
        page = text_of(await lab.get("/lab/source/qulab/lab/sources.py"))

        assert '<i class="{' not in page
        assert "&lt;i class=&quot;" in page

    @pytest.mark.parametrize("section", ["/lab/1", "/lab/2", "/lab/3", "/lab/4", "/lab/5", "/lab/test"])
    async def test_is_where_each_figure_of_code_leads(self, lab: Lab, section: str) -> None:
        page = text_of(await lab.get(section))

        leads = re.findall(r'<figcaption><b><a href="(/lab/source/[\w/.]+)#L(\d+)">', page)
        shown = re.findall(r'<figure class="source"><figcaption><b>(.*?)</b>', page)
        assert len(leads) == len([one for one in shown if "/" in as_text(one)]) > 0
        for address, number in leads:
            assert f'<span id="L{number}">' in text_of(await lab.get(address))


class TestLines:
    def test_lead_to_files_that_are_shown_alone(self) -> None:
        assert is_shown("accounts/services.py")
        assert not is_shown("tests/conftest.py")
        assert not is_shown("manage.py")
