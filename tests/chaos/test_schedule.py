import pytest

from tests.chaos.plan import (
    EARLY,
    LOSSES,
    OF_COPIES,
    OF_POSTGRESQL,
    ONLY_WHEN_NAMED,
    Fault,
    Kind,
    UnknownKind,
    copies,
    schedule,
)


class TestSchedule:
    def test_is_the_same_for_the_same_seed(self) -> None:
        first = schedule(seed=7, kills=200, database="postgresql")

        assert schedule(seed=7, kills=200, database="postgresql") == first
        assert schedule(seed=8, kills=200, database="postgresql") != first

    @pytest.mark.parametrize("kills", [0, 1, 5, 18, 19, 200])
    @pytest.mark.parametrize("database", ["postgresql", "sqlite"])
    def test_has_as_many_faults_as_were_asked_for(self, kills: int, database: str) -> None:
        assert len(schedule(seed=1, kills=kills, database=database)) == kills

    def test_has_each_kind_where_there_is_room(self) -> None:
        faults = schedule(seed=1, kills=len(Kind), database="postgresql", also=ONLY_WHEN_NAMED)

        assert {fault.kind for fault in faults} == set(Kind)

    def test_on_sqlite_has_none_of_a_database_server(self) -> None:
        kinds = {fault.kind for fault in schedule(seed=1, kills=200, database="sqlite")}

        assert kinds == set(Kind) - OF_POSTGRESQL - ONLY_WHEN_NAMED

    def test_ends_with_older_data_for_idle_relays(self) -> None:
        *before, last = schedule(seed=1, kills=200, database="postgresql")

        assert last.kind is Kind.REDIS_OLDER_WHEN_IDLE
        assert Kind.REDIS_OLDER_WHEN_IDLE not in {fault.kind for fault in before}

    def test_what_publishes_everything_again_comes_early(self) -> None:
        faults = schedule(seed=1, kills=200, database="postgresql")

        assert all(number < 100 for number, fault in enumerate(faults) if fault.kind in EARLY)

    def test_leaves_out_what_it_is_told(self) -> None:
        faults = schedule(seed=1, kills=200, database="postgresql", without=["stream-deleted", "poison"])

        assert {fault.kind for fault in faults} == set(Kind) - {Kind.STREAM_DELETED, Kind.POISON} - ONLY_WHEN_NAMED

    def test_a_kind_that_there_is_not_is_told_with_those_that_there_are(self) -> None:
        with pytest.raises(UnknownKind, match="no kind of fault 'fire'; there are relay-killed, relay-dies"):
            schedule(seed=1, kills=1, database="sqlite", without=["fire"])


class TestCopies:
    def test_are_taken_so_many_faults_before(self) -> None:
        faults = [Fault(Kind.RELAY_KILLED)] * 5 + [Fault(Kind.REDIS_OLDER, age=3)]

        assert copies(faults) == {2: [5]}

    def test_none_is_older_than_the_last_loss(self) -> None:
        """Else what was published again after it would be put back a second time."""
        faults = schedule(seed=3, kills=500, database="postgresql")

        taken = {later: number for number, laters in copies(faults).items() for later in laters}

        assert set(taken) == {number for number, fault in enumerate(faults) if fault.kind in OF_COPIES}
        for later, number in taken.items():
            assert not [fault for fault in faults[number:later] if fault.kind in LOSSES]
