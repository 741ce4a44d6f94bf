"""What is wrong with a bank is told when it is loaded: the file, the item and all faults at once."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from assessments import bank as module
from assessments.bank import BANKS, BankError, bank, read

CONCEPTS, LEARNING = "fluency/concepts.toml", "adaptive/learning.toml"

Break = Callable[..., None]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The real bank, to be broken."""
    return Path(shutil.copytree(BANKS / "bank-1", tmp_path / "bank-1"))


@pytest.fixture
def change(copy: Path) -> Break:
    """Replace a text of a file of the copy, of one item if it is named."""

    def change(file: str, old: str, new: str, *, item: str = "") -> None:
        text = (copy / file).read_text(encoding="utf-8")
        start = text.index(f'id = "{item}"') if item else 0
        assert old in text[start:]
        (copy / file).write_text(text[:start] + text[start:].replace(old, new, 1), encoding="utf-8")

    return change


def items_cut(file: Path, count: int) -> None:
    """Keep the first items only."""
    head, *items = file.read_text(encoding="utf-8").split("[[items]]")
    file.write_text("[[items]]".join([head, *items[:count]]), encoding="utf-8")


def problems(folder: Path) -> list[str]:
    """What is told of a bank that is refused."""
    with pytest.raises(BankError) as caught:
        read(folder)
    first, *listed = str(caught.value).splitlines()
    assert first == "Item bank 1 cannot be used:"
    return [one.removeprefix("- ") for one in listed]


class TestRefusesAnItem:
    """Each of these is the only fault that is told."""

    @pytest.mark.parametrize(
        ("item", "old", "new", "told"),
        [
            ("con-01", 'key = "c"', 'key = "e"', "its key 'e' is not one of its options"),
            ("con-01", 'type = "choice"\n', 'type = "choice"\nhint = "?"\n', "Object contains unknown field `hint`"),
            ("con-01", "level = -2", "level = -3", "Expected `int` >= -2 - at `$.level`"),
            ("con-01", "level = -2", "level = 3", "Expected `int` <= 2 - at `$.level`"),
            ("con-01", "level = -2", "level = 0.5", "Expected `int`, got `float` - at `$.level`"),
            ("con-01", "level = -2\n", "", "Object missing required field `level`"),
            ("con-01", 'type = "choice"', 'type = "essay"', "Invalid value 'essay' - at `$.type`"),
            ("con-01", "no other tools. How", "no other  tools. How", "its stem has blanks at an end or in a row"),
            ("con-01", "produce the note?", "produce the note", "its stem does not end like a sentence"),
            ("con-01", "take the pieces.", "take the pieces. ", "its rationale has blanks at an end or in a row"),
            (
                "con-01",
                "It fills in the gaps of templates that programmers wrote",
                "it finds a finished note in a database and copies it out",
                "two of its options are the same",
            ),
            ("con-01", 'a = "It', 'a = " It', "an option has blanks at an end or in a row"),
            ("con-01", "{ a =", "{ f =", "its options are lettered f, b, c, d, not from a on"),
            ("con-01", ' }\nkey = "c"', ', e = "It asks" }\nkey = "c"', "it has 5 options, not 4 to 4"),
            (
                "con-04",
                'key = ["b", "d"]',
                'key = ["b"]',
                "at least two of its options must be right, and at least one must not",
            ),
            (
                "con-04",
                'key = ["b", "d"]',
                'key = ["a", "b", "c", "d", "e"]',
                "at least two of its options must be right, and at least one must not",
            ),
            ("con-04", 'key = ["b", "d"]', 'key = ["b", "x"]', "its key ['b', 'x'] is not a set of its options"),
            ("con-04", 'key = ["b", "d"]', 'key = ["b", "b"]', "its key ['b', 'b'] is not a set of its options"),
            (
                "con-09",
                'key = ["b", "d", "e", "a", "c"]',
                'key = ["a", "b", "c", "d", "e"]',
                "its options stand in the right order already",
            ),
            (
                "con-09",
                'key = ["b", "d", "e", "a", "c"]',
                'key = ["b", "d", "e", "a"]',
                "its key ['b', 'd', 'e', 'a'] is not an order of its options",
            ),
            ("con-07", "key = 8000", "key = nan", "its key or its tolerance is not a number"),
            ("con-07", "key = 8000", "key = 8000\ntolerance = inf", "its key or its tolerance is not a number"),
            ("con-07", "key = 8000", "key = 8000\ntolerance = -1", "Expected `float` >= 0.0 - at `$.tolerance`"),
            ("con-07", "key = 8000", 'key = "8000"', "Expected `float`, got `str` - at `$.key`"),
        ],
    )
    def test_names_file_item_and_fault(
        self, copy: Path, change: Break, item: str, old: str, new: str, told: str
    ) -> None:
        change(CONCEPTS, old, new, item=item)

        assert problems(copy) == [f"{CONCEPTS}: {item}: {told}"]

    def test_a_wrong_id(self, copy: Path, change: Break) -> None:
        change(CONCEPTS, 'id = "con-03"', 'id = "con-30"')

        assert problems(copy) == [f"{CONCEPTS}: item 3 is called con-30, not con-03"]

    def test_a_question_that_is_asked_twice(self, copy: Path, change: Break) -> None:
        text = (copy / LEARNING).read_text(encoding="utf-8")
        stems = [line for line in text.splitlines() if line.startswith("stem")]
        change(LEARNING, stems[4], stems[2])

        assert problems(copy) == [f"{LEARNING}: two items ask {stems[2][8:68].casefold()!r}"]


class TestRefusesABank:
    def test_without_one_of_its_files(self, copy: Path) -> None:
        (copy / CONCEPTS).unlink()

        assert problems(copy) == [f"{CONCEPTS} is missing"]

    def test_without_its_contents(self, copy: Path) -> None:
        (copy / "bank.toml").unlink()

        assert problems(copy) == ["bank-1/bank.toml is missing"]

    def test_that_is_no_toml(self, copy: Path, change: Break) -> None:
        change(CONCEPTS, "[practise]", "[practise")

        assert [one.partition(" (")[0] for one in problems(copy)] == [
            f"{CONCEPTS}: Expected ']' at the end of a table declaration"
        ]

    def test_that_is_no_text(self, copy: Path) -> None:
        (copy / CONCEPTS).write_bytes(b"\xff\xfe")

        (told,) = problems(copy)
        assert told.startswith(f"{CONCEPTS}: ")
        assert "decode byte 0xff" in told

    def test_whose_practice_lacks_a_part(self, copy: Path, change: Break) -> None:
        change(CONCEPTS, "middle =", "median =")

        assert problems(copy) == [f"{CONCEPTS}: Object contains unknown field `median` - at `$.practise`"]

    def test_whose_items_are_none(self, copy: Path, change: Break) -> None:
        (copy / CONCEPTS).write_text('items = [1]\npractise = { easy = "a", middle = "b", hard = "c" }\n')

        assert problems(copy) == [f"{CONCEPTS}: 1: Expected `object`, got `int`"]

    def test_with_too_few_items_in_a_component(self, copy: Path) -> None:
        for sheet in (copy / "adaptive").iterdir():
            items_cut(sheet, 6)  # the first six of a sheet: four choices, two multiples

        assert problems(copy) == ["adaptive has 24 items, and needs 28"]

    def test_in_which_too_many_items_can_be_guessed(self, copy: Path) -> None:
        """Of the first three of a sheet all can, of the one whole sheet half: 8 of 37 items cannot."""
        for name in ("change", "judgement", "learning"):
            items_cut(copy / f"adaptive/{name}.toml", 3)
        text = (copy / LEARNING).read_text(encoding="utf-8")
        choice = text[text.index("[[items]]") :].split("[[items]]")[1]
        more = "".join(
            "[[items]]" + choice.replace("lea-01", f"lea-{number:02}").replace("Aroha", f"Aroha {number}")
            for number in range(4, 16)
        )
        (copy / LEARNING).write_text(text + more, encoding="utf-8")

        assert problems(copy) == [
            "more than two thirds of the items of adaptive can be guessed by choosing one of four"
        ]

    def test_with_a_subdomain_too_few(self, copy: Path) -> None:
        text = (copy / "bank.toml").read_text(encoding="utf-8")
        last = text.rindex("[[components.subdomains]]")
        (copy / "bank.toml").write_text(text[:last], encoding="utf-8")

        assert problems(copy) == ["adaptive has 3 subdomains, not 4"]

    def test_with_two_subdomains_of_one_code(self, copy: Path, change: Break) -> None:
        change("bank.toml", 'code = "pro"', 'code = "con"')

        told = problems(copy)

        assert "con stands twice" in told
        assert "fluency/prompting.toml: item 1 is called pro-01, not con-01" in told

    def test_and_tells_all_of_it_at_once(self, copy: Path, change: Break) -> None:
        change(CONCEPTS, "level = -2", "level = 7", item="con-02")
        change(CONCEPTS, "level = -1", "level = 7", item="con-06")
        change("fluency/prompting.toml", 'key = "b"', 'key = "f"', item="pro-01")
        change("fluency/prompting.toml", 'id = "pro-02"', 'id = "pro-99"')
        change(LEARNING, "[practise]", "[practise")
        change("bank.toml", 'code = "wor"', 'code = "qua"')
        (copy / "domain/evidence.toml").unlink()

        told = problems(copy)

        assert told[:5] == [
            f"{CONCEPTS}: con-02: Expected `int` <= 2 - at `$.level`",
            f"{CONCEPTS}: con-06: Expected `int` <= 2 - at `$.level`",
            "fluency/prompting.toml: pro-01: its key 'f' is not one of its options",
            "fluency/prompting.toml: item 2 is called pro-99, not pro-02",
            "domain/evidence.toml is missing",
        ]
        assert sum("is called wor-" in one for one in told) == 16
        assert told[-2].startswith(f"{LEARNING}: Expected ']'")
        assert told[-1] == "qua stands twice"


class TestHash:
    def test_is_that_of_the_release(self) -> None:
        assert read(BANKS / "bank-1").sha256 == (BANKS / "bank-1/sha256").read_text(encoding="ascii").strip()

    def test_does_not_depend_on_line_ends(self, copy: Path) -> None:
        for file in copy.rglob("*.toml"):
            file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))

        assert read(copy).sha256 == bank().sha256

    def test_does_not_depend_on_comments_and_the_order_of_fields(self, copy: Path, change: Break) -> None:
        change(CONCEPTS, 'key = "c"\n', "# here stood a key\n", item="con-01")
        change(CONCEPTS, 'id = "con-01"\n', 'key = "c"\nid = "con-01"\n')

        assert read(copy).sha256 == bank().sha256

    def test_does_not_depend_on_when_the_files_were_made(self, copy: Path) -> None:
        for file in sorted(copy.rglob("*.toml"), reverse=True):
            content = file.read_bytes()
            file.unlink()
            file.write_bytes(content)

        assert read(copy).sha256 == bank().sha256

    @pytest.mark.parametrize(
        ("file", "old", "new"),
        [
            (CONCEPTS, 'key = "c"', 'key = "b"'),
            (CONCEPTS, "thank-you note", "thank you note"),
            (CONCEPTS, "level = -2", "level = -1"),
            (CONCEPTS, "Put three questions", "Put four questions"),
            ("bank.toml", "Instructing a model", "Telling a model"),
        ],
    )
    def test_depends_on_each_part_of_the_content(
        self, copy: Path, change: Break, file: str, old: str, new: str
    ) -> None:
        change(file, old, new)

        assert read(copy).sha256 != bank().sha256

    def test_depends_on_the_order_of_the_items_of_two_subdomains(self, copy: Path) -> None:
        text = (copy / "bank.toml").read_text(encoding="utf-8")
        head, one, another, *rest = text.split("[[components.subdomains]]")
        (copy / "bank.toml").write_text("[[components.subdomains]]".join([head, another, one, *rest]), encoding="utf-8")

        assert read(copy).sha256 != bank().sha256


class TestBank:
    @pytest.fixture
    def uncached(self, copy: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], module.Bank]:
        """`bank`, looking for the copy."""
        monkeypatch.setattr(module, "BANKS", copy.parent)
        return bank.__wrapped__

    def test_is_loaded_as_it_was_released(self, uncached: Callable[[str], module.Bank]) -> None:
        loaded = uncached("1")

        assert loaded.version == "1"
        assert len(loaded.items) == 192

    @pytest.mark.parametrize("seal", ["0" * 64, "", None])
    def test_refuses_another_content_and_says_to_release_it_as_a_new_version(
        self, copy: Path, uncached: Callable[[str], module.Bank], seal: str | None
    ) -> None:
        (copy / "sha256").unlink()
        if seal is not None:
            (copy / "sha256").write_text(seal, encoding="ascii")

        with pytest.raises(BankError, match="release what was changed as a new version"):
            uncached("1")

    def test_refuses_a_changed_key(self, copy: Path, change: Break, uncached: Callable[[str], module.Bank]) -> None:
        change(CONCEPTS, 'key = "c"', 'key = "a"')

        with pytest.raises(BankError, match=f"it was released as {bank().sha256}, and is"):
            uncached("1")

    @pytest.mark.parametrize("version", ["2", "", "x", "-1", "1/", "../bank-1", "١", "1\n"])
    def test_of_an_unknown_version_is_a_key_error(self, version: str) -> None:
        with pytest.raises(KeyError, match="there is no item bank"):
            bank(version)

    def test_finds_items_and_subdomains(self) -> None:
        released = bank()

        assert released.items["con-07"].id == "con-07"
        assert released.subdomain_of["jud-16"].title == "Deciding under uncertainty"
        assert [item.id for item in released.items_of("domain")][15:17] == ["fra-16", "evi-01"]
        with pytest.raises(KeyError):
            released.items_of("patience")
