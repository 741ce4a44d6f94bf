"""What may be answered is taken as it is meant; what may not is refused at its field, in words that help."""

import re
from typing import Any

import pytest
from django.http import QueryDict
from django.utils.http import urlencode

from assessments.bank import Answer, AnyItem, Choice, Multiple, Numeric, Ordering, bank
from assessments.forms import AnswerForm, BeginForm, answer_form

WORDS = {"id": "x", "level": 0, "stem": "What?", "rationale": "So."}
FOUR = {letter: f"Option {letter}" for letter in "abcd"}
CHOICE = Choice(**WORDS, options=FOUR, key="c")
MULTIPLE = Multiple(**WORDS, options={**FOUR, "e": "Option e"}, key=["a", "e"])
ORDERING = Ordering(**WORDS, options=FOUR, key=["b", "a", "d", "c"])
NUMERIC = Numeric(**WORDS, key=12.5, unit="%")
EUROS = Numeric(**WORDS, key=1.0, unit="€")
BARE = Numeric(**WORDS, key=1.0)
A_NUMBER = "Write a number like 12 or 0.75."


def sent(item: AnyItem, **fields: Any) -> AnswerForm:
    """The form with what a browser sent."""
    return answer_form(item, QueryDict(urlencode(fields, doseq=True)))


def places(text: str) -> dict[str, str]:
    return {f"place_{letter}": place for letter, place in zip("abcd", text, strict=True) if place != "-"}


def answered(item: AnyItem, **fields: Any) -> Answer:
    form = sent(item, **fields)
    assert form.is_valid(), form.errors
    assert item.accepts(form.answer())
    return form.answer()


def refused(item: AnyItem, **fields: Any) -> dict[str, list[str]]:
    form = sent(item, **fields)
    assert not form.is_valid()
    return {name: list(map(str, messages)) for name, messages in form.errors.items()}


class TestChoice:
    def test_is_a_letter(self) -> None:
        assert answered(CHOICE, letter="c") == "c"

    @pytest.mark.parametrize("fields", [{}, {"letter": ""}, {"letters": "a"}, {"number": "1"}])
    def test_must_be_made(self, fields: dict[str, str]) -> None:
        assert refused(CHOICE, **fields) == {"letter": ["Choose one of the options."]}

    @pytest.mark.parametrize("letter", ["e", "C", "ab", "\x00", "Option a"])
    def test_must_be_one_of_the_options(self, letter: str) -> None:
        assert refused(CHOICE, letter=letter)["letter"][0].startswith("This is not one of the options.")


class TestMultiple:
    @pytest.mark.parametrize("letters", [["a", "e"], ["e", "a"], ["a", "e", "a"]])
    def test_is_a_set_of_letters(self, letters: list[str]) -> None:
        assert answered(MULTIPLE, letters=letters) == ["a", "e"]

    def test_may_be_one_letter_or_all(self) -> None:
        assert answered(MULTIPLE, letters="b") == ["b"]
        assert answered(MULTIPLE, letters=list("edcba")) == list("abcde")

    @pytest.mark.parametrize("fields", [{}, {"letter": "a"}])
    def test_must_be_made(self, fields: dict[str, str]) -> None:
        assert refused(MULTIPLE, **fields) == {"letters": ["Choose at least one of the options."]}

    def test_must_be_of_the_options(self) -> None:
        assert refused(MULTIPLE, letters=["a", "f"])["letters"][0].startswith("This is not one of the options.")


class TestOrdering:
    def test_is_the_letters_by_their_places(self) -> None:
        assert answered(ORDERING, **places("2143")) == ["b", "a", "d", "c"]

    def test_needs_a_place_for_each(self) -> None:
        assert refused(ORDERING, **places("21-3")) == {"place_c": ["Choose a place for this."]}

    def test_gives_each_place_once_and_tells_those_that_share_one(self) -> None:
        twice = ["Place 2 is given more than once."]

        assert refused(ORDERING, **places("2123")) == {"place_a": twice, "place_c": twice}

    @pytest.mark.parametrize("place", ["0", "5", "-1", "1.0", "first", "²"])
    def test_has_no_other_places(self, place: str) -> None:
        assert refused(ORDERING, **{**places("123-"), "place_d": place}) == {"place_d": ["Choose a place from 1 to 4."]}

    def test_tells_all_that_is_wrong_at_once(self) -> None:
        assert set(refused(ORDERING, **places("11-9"))) == {"place_a", "place_b", "place_c", "place_d"}


class TestNumeric:
    @pytest.mark.parametrize(
        ("typed", "number"),
        [
            ("12", 12.0),
            ("12.5", 12.5),
            (".75", 0.75),
            ("  7 ", 7.0),
            ("+3", 3.0),
            ("-3", -3.0),
            ("−3", -3.0),
            ("12 %", 12.0),
            ("12%", 12.0),
            ("17 000", 17000.0),
            ("1\u202f234\u202f567.5", 1234567.5),
            ("0012", 12.0),
        ],
    )
    def test_is_taken_as_people_write_it(self, typed: str, number: float) -> None:
        assert answered(NUMERIC, number=typed) == number

    @pytest.mark.parametrize("typed", ["€140", "140 €", "€ 140"])
    def test_may_have_its_unit_on_either_side(self, typed: str) -> None:
        assert answered(EUROS, number=typed) == 140.0

    def test_has_one_zero(self) -> None:
        assert str(answered(BARE, number="-0")) == "0.0"

    @pytest.mark.parametrize(
        "typed",
        [
            "",
            " ",
            "ten",
            "nan",
            "inf",
            "1e3",
            "1.2.3",
            "1 2",
            "12 days",
            "%",
            "0x10",
            "١٢",
            "--1",
            "1_000",
            "1" * 41,
            "½",
        ],
    )
    def test_must_be_a_number(self, typed: str) -> None:
        assert refused(NUMERIC, number=typed) == {"number": [A_NUMBER]}

    @pytest.mark.parametrize("typed", ["1,000", "0,75", "1.000,5"])
    def test_has_no_comma_as_nobody_can_tell_what_it_means(self, typed: str) -> None:
        assert refused(BARE, number=typed) == {
            "number": ["Write a number like 12 or 0.75: with a point, and without commas."]
        }

    def test_has_no_unit_where_the_question_has_none(self) -> None:
        assert refused(BARE, number="12 %") == {"number": [A_NUMBER]}


class TestEveryItemOfTheBank:
    def test_can_be_answered_with_its_key_as_a_form_sends_it(self) -> None:
        for item in bank().items.values():
            assert item.is_right(answered(item, **fields_of(item))), item.id

    def test_has_a_form_that_does_not_show_what_is_right(self) -> None:
        for item in bank().items.values():
            html = answer_form(item).as_div()
            assert item.rationale not in html
            assert not re.search(r'<(input|option value="[^"]+")[^>]* (checked|selected)', html)


def fields_of(item: AnyItem) -> dict[str, Any]:
    """The right answer."""
    match item:
        case Choice():
            return {"letter": item.key}
        case Multiple():
            return {"letters": item.key}
        case Ordering():
            return {f"place_{letter}": str(place) for place, letter in enumerate(item.key, start=1)}
        case Numeric():
            return {"number": f"{item.key:g} {item.unit}"}


class TestBeginForm:
    def test_gives_the_code_as_the_table_writes_it(self) -> None:
        form = BeginForm({"occupation_code": " 15-1252 "})

        assert form.is_valid()
        assert form.cleaned_data["occupation_code"] == "15-1252"

    @pytest.mark.parametrize("code", ["", "15-1299", "nobody", "x" * 21, "\x00"])
    def test_refuses_what_is_not_in_the_table(self, code: str) -> None:
        assert set(BeginForm({"occupation_code": code}).errors) == {"occupation_code"}
