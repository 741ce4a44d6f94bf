"""Pure: a clean run, and then one thing wrong with it at a time."""

from collections import Counter

import pytest

from tests.chaos.compare import Entry, Evidence, Row, compare
from tests.chaos.notes import Written


def event(id_: str, aggregate: str, number: int, *, poison: bool = False) -> Written:
    return Written(id_, "Chaos0", aggregate, number, poison)


def row(id_: str, aggregate: str, seq: int, status: str = "published", attempts: int = 0) -> Row:
    return Row(id_, "Chaos0", aggregate, seq, status, f"1-{seq}" if status == "published" else None, attempts)


def entry(id_: str, aggregate: str, number: int, seq: int) -> Entry:
    return Entry(f"1-{seq}", id_, "Chaos0", aggregate, number)


@pytest.fixture
def clean() -> Evidence:
    """Three events of one aggregate, one of another, and a poison event that was discarded."""
    return Evidence(
        transactions=[
            [event("a1", "a", 1), event("b1", "b", 1)],
            [event("a2", "a", 2)],
            [event("a3", "a", 3)],
            [event("p", "b", 2, poison=True)],
        ],
        stored={"a1", "b1", "a2", "a3", "p"},
        rows=[
            row("a1", "a", 1),
            row("b1", "b", 2),
            row("a2", "a", 3),
            row("a3", "a", 4),
            row("p", "b", 5, "discarded", 2),
        ],
        entries=[entry("a1", "a", 1, 1), entry("b1", "b", 1, 2), entry("a2", "a", 2, 3), entry("a3", "a", 3, 4)],
        effects=Counter({"a1": 1, "b1": 1, "a2": 1, "a3": 1}),
        inbox={"a1", "b1", "a2", "a3"},
        dead={"p"},
        past_dead=set(),
    )


def found(evidence: Evidence, *, rows_are_locked: bool = True) -> dict[str, list[str]]:
    findings = compare(evidence, rows_are_locked=rows_are_locked)
    return {name: finding.first for name, finding in findings.items() if finding.count}


class TestCompare:
    def test_finds_nothing_after_a_clean_run(self, clean: Evidence) -> None:
        assert found(clean) == {}

    def test_lost_is_what_the_table_calls_published_and_no_stream_has(self, clean: Evidence) -> None:
        del clean.entries[2]

        assert found(clean) == {"lost": ["a2"]}

    def test_doubled_is_what_a_stream_has_twice(self, clean: Evidence) -> None:
        clean.entries.append(entry("a1", "a", 1, 9))

        assert found(clean) == {"doubled": ["a1"]}

    def test_inverted_is_an_aggregate_in_another_order(self, clean: Evidence) -> None:
        clean.entries[2], clean.entries[3] = clean.entries[3], clean.entries[2]

        assert found(clean) == {"inverted": ["Chaos0/a"]}

    def test_other_aggregates_between_invert_nothing(self, clean: Evidence) -> None:
        clean.entries[0], clean.entries[1] = clean.entries[1], clean.entries[0]

        assert found(clean) == {}

    def test_phantom_is_an_entry_without_its_row(self, clean: Evidence) -> None:
        clean.entries.append(entry("x", "a", 4, 9))

        assert found(clean) == {"phantom": ["x"]}

    def test_phantom_is_an_entry_that_tells_something_else(self, clean: Evidence) -> None:
        clean.entries[1] = entry("b1", "b", 7, 2)

        assert found(clean) == {"phantom": ["b1"]}

    def test_acknowledged_and_not_in_the_table_is_lost_too(self, clean: Evidence) -> None:
        clean.transactions.append([event("a4", "a", 4)])
        clean.stored.add("a4")

        assert found(clean) == {"acknowledged_lost": ["a4"]}

    def test_a_transaction_without_acknowledgement_may_be_in_the_table_or_not(self, clean: Evidence) -> None:
        clean.transactions.append([event("a4", "a", 4)])
        clean.stored.discard("a3")

        assert found(clean) == {}

    def test_a_transaction_in_the_table_by_half_is_torn(self, clean: Evidence) -> None:
        clean.transactions[2] = [event("a3", "a", 3), event("a4", "a", 4)]

        assert found(clean) == {"torn_transactions": ["a3"]}

    def test_an_effect_that_did_not_happen_is_missing(self, clean: Evidence) -> None:
        del clean.effects["b1"]
        clean.inbox.discard("b1")

        assert found(clean) == {"effects_missing": ["b1"]}

    def test_an_effect_that_happened_twice_is_doubled(self, clean: Evidence) -> None:
        clean.effects["b1"] += 1

        assert found(clean) == {"effects_doubled": ["b1"]}

    def test_an_inbox_that_says_other_than_the_effects_is_told(self, clean: Evidence) -> None:
        clean.inbox.discard("b1")

        assert found(clean) == {"inbox_differs": ["b1"]}

    def test_an_effect_of_what_was_not_published_is_a_phantom(self, clean: Evidence) -> None:
        clean.effects["p"] += 1
        clean.inbox.add("p")

        assert found(clean) == {"effects_phantom": ["p"]}

    def test_what_is_still_pending_is_told(self, clean: Evidence) -> None:
        clean.rows[4] = row("p", "b", 5, "pending")

        assert found(clean) == {"still_pending": ["p"]}

    def test_a_dead_letter_that_is_no_poison_is_told(self, clean: Evidence) -> None:
        clean.dead.add("a1")

        assert found(clean) == {"dead_letters": ["a1"]}

    def test_an_event_published_past_a_dead_letter_is_told(self, clean: Evidence) -> None:
        clean.past_dead.add("b3")

        assert found(clean) == {"past_dead_letters": ["b3"]}

    def test_a_row_that_names_another_entry_is_told(self, clean: Evidence) -> None:
        clean.entries[0] = entry("a1", "a", 1, 99)

        assert found(clean) == {"wrong_stream_ids": ["a1"]}

    def test_an_attempt_that_an_outage_cost_is_told(self, clean: Evidence) -> None:
        clean.rows[0] = row("a1", "a", 1, attempts=1)

        assert found(clean) == {"attempts_spent": ["a1"]}

    def test_an_overtaken_pass_is_told_where_rows_are_locked(self, clean: Evidence) -> None:
        clean.overtaken = 3

        assert found(clean) == {"overtaken": []}
        assert found(clean, rows_are_locked=False) == {}

    def test_only_the_first_twenty_are_named(self, clean: Evidence) -> None:
        clean.entries += [entry(f"x{number:02}", "z", number, 100 + number) for number in range(30)]

        finding = compare(clean, rows_are_locked=True)["phantom"]

        assert finding.count == 30
        assert finding.first == [f"x{number:02}" for number in range(20)]

    def test_writers_that_raced_are_a_fault_of_the_harness(self, clean: Evidence) -> None:
        clean.rows[0], clean.rows[2] = row("a1", "a", 3), row("a2", "a", 1)

        with pytest.raises(AssertionError, match="harness itself is wrong: writers of"):
            compare(clean, rows_are_locked=True)
