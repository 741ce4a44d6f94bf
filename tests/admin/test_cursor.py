from base64 import urlsafe_b64encode

import pytest

from accounts.models import User
from assessments.models import AIRScore
from qulab.admin.cursor import BrokenCursor, decode, encode
from qulab.db.engine import Database
from tests.admin.conftest import Desk, event, score, store, user, users


def packed(text: bytes) -> str:
    return urlsafe_b64encode(text).rstrip(b"=").decode()


BROKEN = [
    "x",
    "!!!!",
    "é",
    "a" * 5000,
    packed(b"[]"),
    packed(b"{}"),
    packed(b"\xff\xfe"),
    packed(b'[["name","id"],["a"]]'),
    packed(b'[["name","id"],["a","b","c"]]'),
    packed(b'[["email","id"],["a","b"]]'),
    packed(b'[["id"],["b"]]'),
    packed(b'[["name","id"],[1,"b"]]'),
    packed(b'[["name","id"],[null,"b"]]'),
    packed(b'[["name","id"],["\\u0000","b"]]'),
    packed(b'[["name","id"],["\\ud800","b"]]'),
    packed(b'[["name","id"],["%s","b"]]' % (b"a" * 256)),
    packed(b'[["name","id"],[["a"],"b"]]'),
]
BROKEN_SCORES = [
    packed(b'[["air_score","id"],[%s,"b"]]' % value) for value in (b'"50"', b"1e999", b"NaN", b"true", b"1" * 400)
]
BROKEN_TIMES = [
    packed(b'[["created_at","id"],["%s","b"]]' % value)
    for value in (b"noon", b"2026-03-01T12:00:00", b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00")
]


class TestCursor:
    @pytest.mark.parametrize(
        ("path", "cursor"),
        [
            *(("users?sort=name", one) for one in BROKEN),
            *(("scores?sort=air_score", one) for one in BROKEN_SCORES),
            *(("events?status=pending", one) for one in BROKEN_TIMES),
        ],
    )
    @pytest.mark.parametrize("way", ["after", "before"])
    async def test_a_broken_one_is_told_and_page_one_is_shown(
        self, desk: Desk, database: Database, path: str, cursor: str, way: str
    ) -> None:
        owner = user()
        await store(database, owner)
        await store(database, score(owner), event())

        page = await desk.get(f"{path}&{way}={cursor}")

        assert page.status == 422
        assert "The place in the list could not be read" in page.text
        assert len(page.keys(path.partition("?")[0])) == 1

    @pytest.mark.parametrize("ways", ["after=x&before=y", "after=x&last=1", "last=2", "last=x"])
    async def test_two_places_at_once_are_none(self, desk: Desk, database: Database, ways: str) -> None:
        await users(database, 1)

        page = await desk.get(f"users?{ways}")

        assert page.status == 422
        assert "The place in the list could not be read" in page.text

    def test_gives_back_the_values_of_its_row(self) -> None:
        stored = score(user(), 50.123456789012345, id="i")

        columns = [AIRScore.air_score, AIRScore.id]

        assert decode(columns, encode(columns, stored)) == [50.123456789012345, "i"]

    def test_the_longest_name_fits(self) -> None:
        stored = user(name="𝕏" * 255, id="i" * 36)

        assert decode([User.name, User.id], encode([User.name, User.id], stored)) == [stored.name, stored.id]

    def test_belongs_to_one_order(self) -> None:
        cursor = encode([User.id], user(id="i"))

        with pytest.raises(BrokenCursor):
            decode([User.name, User.id], cursor)
