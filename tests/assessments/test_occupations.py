"""Occupations are found by what people type: a word of the title, whole, begun or mistyped, a code or its beginning."""

import pytest

from assessments.occupations import EVERYDAY, MOST_FOUND, OCCUPATIONS, UnknownOccupation, find, search, words


def found(text: str) -> list[str]:
    return [occupation.code for occupation in search(text)]


def near(code: str) -> list[str]:
    with pytest.raises(UnknownOccupation) as caught:
        find(code)
    assert all(one.code in str(caught.value) and one.title in str(caught.value) for one in caught.value.near)
    return [occupation.code for occupation in caught.value.near]


class TestSearch:
    @pytest.mark.parametrize(
        ("text", "best"),
        [
            ("Software developers", "15-1252"),
            ("software developer", "15-1252"),
            ("SOFTWARE", "15-1252"),
            ("develper software", "15-1252"),
            ("actuary", "15-2011"),
            ("nursing", "29-1141"),
            ("teacher secondary", "25-2031"),
            ("programming", "15-1251"),
            ("pharm", "29-1051"),
            ("data", "15-2051"),
            ("  économist  ", "19-3011"),
        ],
    )
    def test_finds_a_title_by_its_words_the_best_first(self, text: str, best: str) -> None:
        assert found(text)[0] == best

    @pytest.mark.parametrize("text", ["15-1252", "15-1252.00", "151252", "15 1252", "15–1252", "I am a 15-1252"])
    def test_finds_a_code_however_it_is_written(self, text: str) -> None:
        assert found(text)[0] == "15-1252"

    def test_finds_the_codes_that_begin_like_a_part_of_one(self) -> None:
        assert found("29-11") == ["29-1123", "29-1141", "29-1171"]
        assert found("23") == [code for code in OCCUPATIONS if code.startswith("23")]

    @pytest.mark.parametrize("called", EVERYDAY)
    def test_finds_what_is_called_otherwise_every_day(self, called: str) -> None:
        assert " ".join(words(called)) == called
        assert found(called)[: len(EVERYDAY[called])] == EVERYDAY[called]

    @pytest.mark.parametrize(
        ("text", "best"), [("Doctor", "29-1215"), ("coders", "15-1252"), ("teacher", "25-2021"), ("nurse", "29-1141")]
    )
    def test_finds_everyday_words_beside_those_of_titles(self, text: str, best: str) -> None:
        assert found(text)[0] == best

    @pytest.mark.parametrize("text", ["cashier", "chef"])
    def test_finds_nothing_for_work_that_is_not_in_the_table(self, text: str) -> None:
        assert found(text) == []

    def test_wants_all_words_where_a_title_has_them(self) -> None:
        assert found("computer programmer") == ["15-1251"]

    def test_takes_most_of_the_words_where_no_title_has_all(self) -> None:
        titles = [one.title for one in search("senior software engineer")]

        assert titles[0] == "Software developers"
        assert all("oftware" in title or "engineer" in title for title in titles)

    @pytest.mark.parametrize(
        "text", ["", "  ", "xyzzy", "🙂🙂", "and the of", "a", "99-9999", "15 years", "٣٣-٣٣٣٣", "\x00", "%_", "-"]
    )
    def test_finds_nothing_where_nothing_is_like_it(self, text: str) -> None:
        assert found(text) == []

    def test_is_bounded(self) -> None:
        assert len(found("managers")) == MOST_FOUND
        assert len(search("15", limit=3)) == 3

    def test_lists_nothing_twice(self) -> None:
        assert len(set(found("15-1252 Software developers"))) == len(found("15-1252 Software developers"))

    def test_looks_at_a_long_text_no_longer_than_at_a_short_one(self) -> None:
        assert found("software developer " + "and so on " * 1000)[0] == "15-1252"


class TestUnknownOccupation:
    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            ("15-1299", "15-1252"),
            ("151252", "15-1252"),
            ("15-1252x", "15-1252"),
            ("29-1142", "29-1141"),
            ("lawyer", "23-1011"),
        ],
    )
    def test_names_what_is_near(self, code: str, expected: str) -> None:
        assert expected in near(code)

    def test_names_codes_of_the_same_group_before_others(self) -> None:
        assert near("15-1299")[0].startswith("15-12")
        assert all(code.startswith("15-") for code in near("15-9999"))

    def test_names_the_codes_next_to_one_of_a_group_that_is_not_in_the_table(self) -> None:
        assert near("99-9999")[0] == "53-7065"
        assert len(near("99-9999")) == 5

    @pytest.mark.parametrize("text", ["", "nobody", "🙂", "\x00"])
    def test_names_nothing_that_is_only_drawn_from_the_air(self, text: str) -> None:
        assert near(text) == []

    def test_says_how_to_choose_one_where_nothing_is_near(self) -> None:
        with pytest.raises(UnknownOccupation, match="Choose one by its title, or by a SOC code such as 15-1252"):
            find("nobody")
