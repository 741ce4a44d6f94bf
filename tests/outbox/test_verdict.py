import pytest

from outbox.marks import Kind, Reply
from outbox.positions import Mark, Position
from outbox.verdict import Ending, judge


def position(generation: int, batch: int, forks: list[int]) -> Position:
    return Position(partition=0, epoch="e", generation=generation, batch=batch, forks=forks)


class TestJudge:
    @pytest.mark.parametrize(
        ("redis", "ending", "goes_to"),
        [
            ((2, 8), Ending.REPEATED, (2, 8)),  # one batch ahead: a relay died before its commit
            ((2, 5), Ending.RECOVERED, (3, 5)),  # older data of this generation
            ((0, 0), Ending.RECOVERED, (3, 0)),  # emptied
            ((1, 6), Ending.RECOVERED, (3, 4)),  # older data of the generation that ended at 4
            ((0, 6), Ending.RECOVERED, (3, 2)),  # of one before it, that ended at 2
            ((0, 1), Ending.RECOVERED, (3, 1)),  # of that one, from before it ended
            ((3, 5), Ending.RECOVERED, (3, 5)),  # a recovery that died half-way
            ((2, 9), Ending.DATABASE_OLDER, (2, 7)),
            ((4, 1), Ending.DATABASE_OLDER, (2, 7)),
        ],
    )
    def test_another_mark_in_redis(self, redis: tuple[int, int], ending: Ending, goes_to: tuple[int, int]) -> None:
        ours = position(generation=2, batch=7, forks=[2, 4])

        assert judge(Reply(Kind.OTHER, Mark(*redis), {}), ours) == (ending, Mark(*goes_to))
