"""What the items of the bank must be like, as far as a program can see it."""

import math
import random
import re
from collections import Counter
from collections.abc import Callable
from itertools import chain, permutations

import pytest

from assessments.bank import LEAST_ITEMS, LEAST_OPEN, Answer, AnyItem, Choice, Multiple, Numeric, Ordering, Sheet, bank
from assessments.scoring import COMPONENTS

ITEMS = list(bank().items.values())
CHOICES = [item for item in ITEMS if isinstance(item, Choice)]
NUMERIC = [item for item in ITEMS if isinstance(item, Numeric)]

# Of a subdomain, by level.
COMPOSITION = {
    -2: Counter(choice=3, multiple=1),
    -1: Counter(choice=1, multiple=1, stepwise=1),
    0: Counter(multiple=1, stepwise=1),
    1: Counter(choice=1, multiple=1, stepwise=1),
    2: Counter(choice=3, open=1),
}

# What each numeric item asks, calculated from the figures of its stem and exhibit in their order: `_` is not needed.
ARITHMETIC: dict[str, Callable[..., float]] = {
    "con-07": lambda tokens, words, report: report / words * tokens,
    "con-12": lambda whole, tea, coffee, *_: whole * coffee / (tea + coffee),
    "con-16": lambda standing, message, reply: sum(standing + turn * (message + reply) + message for turn in range(5)),
    "pro-09": lambda room, instructions, message, reply, example: (room - instructions - message - reply) // example,
    "pro-12": lambda forms, wrong, unsure, right, _: 100 * (wrong - (forms - unsure - right)) / forms,
    "ver-09": lambda *years: len(years) - 1,  # the stem names it once, then each source that has it by itself
    "ver-12": lambda wrong, of, notes: 100 * (1 - (1 - wrong / of) ** notes),
    "ver-16": lambda one, other, both: one * other / both - (one + other - both),
    "res-12": lambda before, mean_before, mean_after, after: before * mean_before - after * mean_after,
    "res-16": lambda *years: len(years) - 4,  # two pairs of one birth year and district have two illnesses
    "fra-09": lambda *days: 100 * (1 - sum(days[1::2]) / sum(days[::2])),
    "fra-12": lambda easy, short, hard, long, now: (
        100 * (1 - (easy * now + hard * long) / (easy * short + hard * long))
    ),
    "fra-16": lambda test, mend, failure: 100 * test / (failure - mend),
    "evi-07": lambda _, errors, found, __, false: 100 * found / (found + false),
    "evi-12": lambda xe, of_xe, xh, of_xh, ye, of_ye, yh, of_yh: (
        50 * (ye / of_ye + yh / of_yh - xe / of_xe - xh / of_xh)
    ),
    "evi-16": lambda hit, precise, forged, of: (
        100 * hit * forged / (hit * forged + hit * (100 - precise) / precise * (of - forged))
    ),
    "qua-07": lambda once, fee, saved, _: once / (saved - fee),
    "qua-09": lambda *right: 100 * math.prod(one / 100 for one in right),
    "qua-16": lambda person, error, cases, *rows: min(
        person * passed + (cases - passed) * wrong / 100 * error
        for passed, wrong in zip(rows[1::3], rows[2::3], strict=True)
    ),
    "wor-09": lambda percent, month, sent, wrong, left: percent / 100 * month - wrong,
    "wor-12": lambda hourly, *_: (
        1.5 * hourly / 2 + 0.5 * hourly
    ),  # from 10:00 every second one, from 11:30 to 12:00 all
    "lea-09": lambda start, first: start + sum(first * 2**gap for gap in range(5)),
    "lea-12": lambda times, seconds, once, monthly: once / (times * seconds / 60 - monthly),
    "cha-09": lambda _, old, new: old + 5 - new,
    "cha-12": lambda old, _, new, move: (move + 2 * old) / (old - new),
    "cha-16": lambda licence, trial: 100 * (1 - trial / licence),
    "jud-07": lambda tent, rain, chance: rain * chance / 100 - tent,
    "jud-09": lambda prior, if_so, if_not: 100 * prior * if_so / (prior * if_so + (100 - prior) * if_not),
    "jud-16": lambda gain, works, loss, passed, passed_wrongly: (
        (works * passed * gain - (100 - works) * passed_wrongly * loss) / 100**2
        - max(0, works * gain - (100 - works) * loss) / 100
    ),
    "col-09": lambda made, kept, replaced, _, lost, won, __: 100 * (lost - won) / made,
    "col-16": lambda one, other, sd, other_sd: (one / sd**2 + other / other_sd**2) / (1 / sd**2 + 1 / other_sd**2),
}

NAMES = re.compile(
    r"\b(?:OpenAI|ChatGPT|GPT(?:-?\d\w*)?|Anthropic|Claude|Google|Gemini|Bard|Microsoft|Copilot|Excel|Word|PowerPoint|"
    r"Outlook|Teams|Windows|Apple|Siri|Meta|Llama|Facebook|WhatsApp|Instagram|Mistral|DeepSeek|Qwen|Grok|Perplexity|"
    r"Midjourney|DALL.E|Stable Diffusion|Hugging Face|Amazon|Alexa|IBM|Watson|Nvidia|SAP|Salesforce|Slack|Zoom|"
    r"Python|Java(?:Script)?)\b"
)


def kind(item: AnyItem) -> str:
    match item:
        case Choice():
            return "choice"
        case Multiple():
            return "multiple"
        case Numeric() | Ordering():
            return "stepwise"


def calculated(item: Numeric) -> float:
    figures = re.findall(r"\d[\d,]*(?:\.\d+)?", f"{item.stem}\n{item.exhibit}")
    return float(ARITHMETIC[item.id](*(float(figure.replace(",", "")) for figure in figures)))


def texts(item: AnyItem) -> list[str]:
    """All prose of an item: not its exhibit."""
    return [item.stem, item.rationale, *getattr(item, "options", {}).values()]


def prose(sheet: Sheet) -> list[str]:
    return [
        sheet.practise.easy,
        sheet.practise.middle,
        sheet.practise.hard,
        *chain.from_iterable(map(texts, sheet.items)),
    ]


def wrong_answers(item: AnyItem, count: int) -> list[Answer]:
    draw, found = random.Random(item.id), list[Answer]()
    while len(found) < count:
        match item:
            case Choice():
                answer: Answer = draw.choice([letter for letter in item.options if letter != item.key])
            case Multiple():
                answer = draw.sample(list(item.options), draw.randint(1, len(item.options)))
                if set(answer) == set(item.key):
                    continue
            case Ordering():
                answer = draw.sample(item.key, len(item.key))
                if answer == item.key:
                    continue
            case Numeric():
                off = item.tolerance + draw.choice([0.01, 0.1, 1, 10, 1000]) * (1 + draw.random())
                answer = item.key + draw.choice([-1, 1]) * off
        found.append(answer)
    return found


class TestComposition:
    @pytest.mark.parametrize("component", COMPONENTS)
    def test_a_component_has_enough_items_in_four_subdomains_and_a_third_of_them_open(self, component: str) -> None:
        items = bank().items_of(component)

        assert len(bank().component(component).subdomains) == 4
        assert len(items) >= LEAST_ITEMS
        assert sum(not isinstance(item, Choice) for item in items) >= LEAST_OPEN * len(items)

    def test_the_components_are_those_that_a_score_weighs(self) -> None:
        assert tuple(component.name for component in bank().components) == COMPONENTS

    @pytest.mark.parametrize("subdomain", bank().sheets)
    def test_a_subdomain_has_each_level_and_kind_of_item(self, subdomain: str) -> None:
        items = bank().sheets[subdomain].items

        for level, planned in COMPOSITION.items():
            found = Counter(kind(item) for item in items if item.level == level)
            if "open" in planned:  # of either open kind
                found = Counter(choice=found["choice"], open=found["multiple"] + found["stepwise"])
            assert found == planned

    @pytest.mark.parametrize("subdomain", bank().sheets)
    def test_items_stand_in_the_order_of_their_levels(self, subdomain: str) -> None:
        levels = [item.level for item in bank().sheets[subdomain].items]

        assert levels == sorted(levels)

    def test_guessing_is_as_designed(self) -> None:
        assert (Choice.GUESSING, Multiple.GUESSING, Numeric.GUESSING, Ordering.GUESSING) == (0.25, 0.05, 0.02, 0.02)


class TestForm:
    """Nothing about the form of an item gives its key away."""

    def test_keys_are_spread_over_the_letters(self) -> None:
        keys = Counter(item.key for item in CHOICES)

        assert all(0.15 <= keys[letter] / len(CHOICES) <= 0.35 for letter in "abcd")

    def test_the_key_is_seldom_the_longest_option(self) -> None:
        longest = sum(len(item.options[item.key]) == max(map(len, item.options.values())) for item in CHOICES)

        assert longest / len(CHOICES) < 0.35

    def test_the_key_is_seldom_the_shortest_option(self) -> None:
        shortest = sum(len(item.options[item.key]) == min(map(len, item.options.values())) for item in CHOICES)

        assert shortest / len(CHOICES) < 0.35

    def test_the_number_of_right_options_varies(self) -> None:
        multiples = [item for item in ITEMS if isinstance(item, Multiple)]

        assert {len(item.key) for item in multiples} == {2, 3, 4}
        assert all("Choose all that apply." in item.stem for item in multiples)

    def test_each_letter_is_right_in_some_multiples_and_wrong_in_others(self) -> None:
        multiples = [item for item in ITEMS if isinstance(item, Multiple)]

        shares = [sum(letter in item.key for item in multiples) / len(multiples) for letter in "abcde"]

        assert all(0.3 <= share <= 0.7 for share in shares)

    def test_no_order_is_the_order_backwards(self) -> None:
        assert not [item.id for item in ITEMS if isinstance(item, Ordering) and item.key == sorted(item.key)[::-1]]

    def test_no_two_items_of_the_bank_ask_the_same(self) -> None:
        stems = Counter(item.stem.casefold() + item.exhibit for item in ITEMS)

        assert max(stems.values()) == 1


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.id)
class TestEachItem:
    def test_its_key_is_right_and_other_answers_are_wrong(self, item: AnyItem) -> None:
        assert item.is_right(item.key)
        assert not [answer for answer in wrong_answers(item, 20) if item.is_right(answer)]

    def test_its_exhibit_fits_a_phone(self, item: AnyItem) -> None:
        lines = item.exhibit.split("\n")

        assert all(len(line) <= 60 for line in lines)
        assert len(lines) <= 10
        assert item.exhibit == item.exhibit.strip("\n")
        assert all(line == line.rstrip() for line in lines)

    def test_its_stem_and_options_are_short(self, item: AnyItem) -> None:
        assert len(item.stem.split()) <= 75
        assert all(len(text.split()) <= 25 for text in getattr(item, "options", {}).values())

    def test_it_names_no_company_product_or_model(self, item: AnyItem) -> None:
        assert not NAMES.search("\n".join([*texts(item), item.exhibit]))


class TestGrading:
    def test_the_order_of_a_multiple_answer_does_not_matter(self) -> None:
        item = next(item for item in ITEMS if isinstance(item, Multiple))

        assert all(item.is_right(list(order)) for order in permutations(item.key))

    def test_a_letter_twice_is_not_two_letters(self) -> None:
        item = next(item for item in ITEMS if isinstance(item, Multiple) and len(item.key) == 2)

        assert not item.is_right([item.key[0]] * 2)
        assert not item.is_right([*item.key, item.key[0]])

    @pytest.mark.parametrize("item", NUMERIC, ids=lambda item: item.id)
    def test_a_number_is_right_up_to_its_tolerance_and_no_further(self, item: Numeric) -> None:
        for sign in (-1, 1):
            assert item.is_right(item.key + sign * item.tolerance)
            assert not item.is_right(item.key + sign * (item.tolerance + 0.001))
        assert not item.is_right(math.nan)
        assert not item.is_right(math.inf)

    @pytest.mark.parametrize(
        ("key", "tolerance", "answer"), [(0.2, 0.1, 0.3), (0.3, 0.0, 0.1 + 0.2), (1e9, 0.1, 1e9 + 0.1)]
    )
    def test_binary_fractions_do_not_make_a_right_number_wrong(
        self, key: float, tolerance: float, answer: float
    ) -> None:
        item = Numeric(id="x", level=0, stem="?", rationale=".", key=key, tolerance=tolerance)

        assert item.is_right(answer)

    @pytest.mark.parametrize(
        "item",
        [next(item for item in ITEMS if isinstance(item, of)) for of in (Choice, Multiple, Ordering, Numeric)],
        ids=lambda item: type(item).__name__,
    )
    @pytest.mark.parametrize("answer", ["", "z", [], ["z"], -1.0])
    def test_an_answer_of_another_kind_is_wrong(self, item: AnyItem, answer: Answer) -> None:
        assert not item.is_right(answer)


class TestArithmetic:
    def test_all_numeric_items_are_calculated_here(self) -> None:
        assert set(ARITHMETIC) == {item.id for item in NUMERIC}
        assert len(ARITHMETIC) == 31

    @pytest.mark.parametrize("item", NUMERIC, ids=lambda item: item.id)
    def test_the_key_is_what_its_figures_give(self, item: Numeric) -> None:
        """To the nearest whole number where the item asks for it; the unrounded number is right as well."""
        exact = calculated(item)

        assert item.key == round(exact)
        assert item.is_right(exact)

    def test_in_res_16_all_people_of_a_group_share_their_illness_or_cannot_be_told(self) -> None:
        groups: dict[tuple[str, ...], list[str]] = {}
        for line in bank().items["res-16"].exhibit.splitlines()[1:]:
            *group, illness = line.split()
            groups.setdefault(tuple(group), []).append(illness)

        assert sum(len(group) for group in groups.values() if len(set(group)) == 1) == bank().items["res-16"].key

    @pytest.mark.parametrize("item", NUMERIC, ids=lambda item: item.id)
    def test_only_what_is_rounded_has_a_tolerance_and_says_so(self, item: Numeric) -> None:
        is_rounded = abs(calculated(item) - item.key) > 1e-6

        assert bool(item.tolerance) is is_rounded
        assert item.tolerance <= 0.5
        assert not is_rounded or "to the nearest whole number" in item.stem

    @pytest.mark.parametrize("item", NUMERIC, ids=lambda item: item.id)
    def test_the_stem_ends_with_how_to_give_the_number(self, item: Numeric) -> None:
        assert "whole number" in re.split(r"[.?] ", item.stem)[-1]


@pytest.mark.parametrize("subdomain", bank().sheets)
class TestStyle:
    def test_prose_has_typographic_quotes_and_no_tabs(self, subdomain: str) -> None:
        sheet = bank().sheets[subdomain]

        assert not [text for text in prose(sheet) if re.search(r"['\"`\t]", text)]
        assert not [item.id for item in sheet.items if "\t" in item.exhibit]

    def test_quotes_that_are_opened_are_closed(self, subdomain: str) -> None:
        assert not [text for text in prose(bank().sheets[subdomain]) if text.count("“") != text.count("”")]

    def test_words_are_spelled_in_one_way(self, subdomain: str) -> None:
        one_of_two = re.compile(
            r"\b(?:percent|per cent|learnt|e-mails?|mails|euros \d|\d euros|colors?|behavior|center|favor\w*|labor|"
            r"analyz\w+|(?:organ|real|summar|recogn|apolog|priorit)iz\w+)\b",
            re.IGNORECASE,
        )

        assert not [text for text in prose(bank().sheets[subdomain]) if one_of_two.search(text)]

    def test_practice_is_told_in_whole_sentences(self, subdomain: str) -> None:
        practise = bank().sheets[subdomain].practise

        assert all(text[0].isupper() and text.endswith(".") for text in (practise.easy, practise.middle, practise.hard))
