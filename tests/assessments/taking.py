"""Somebody who takes the test by what stands on its pages, as a browser without JavaScript sends it."""

from html import unescape
from re import findall, search
from typing import Any

from django.test import AsyncClient

from assessments import sittings
from qulab.db.engine import Database

OCCUPATION = "15-1252"
MOST_QUESTIONS = 45
MOST_TESTS = 5
Fields = dict[str, Any]


class Asked:
    """A page with a question: where its form leads, the question's id, and what may be chosen for each field."""

    def __init__(self, html: str) -> None:
        self.html = html
        self.address = unescape(_only(r'<form method="post" action="(/assess/[^"]+/answer)"', html))
        self.question = _only(r'name="question" value="([^"]+)"', html)
        self.letters = findall(r'<input type="radio" name="letter" value="(\w)"', html)
        self.several = findall(r'<input type="checkbox" name="letters" value="(\w)"', html)
        self.places = findall(r'<select name="(place_\w)"', html)

    @property
    def kind(self) -> str:
        kinds = {"choice": self.letters, "multiple": self.several, "ordering": self.places}
        return next((kind for kind, found in kinds.items() if found), "numeric")

    @property
    def sitting_id(self) -> str:
        return self.address.split("/")[2]

    def fields(self, turn: int = 0) -> Fields:
        """An answer that may be given; another one for another turn."""
        given: Fields = {"question": self.question}
        match self.kind:
            case "choice":
                return given | {"letter": self.letters[turn % len(self.letters)]}
            case "multiple":
                return given | {"letters": self.several[turn : turn + 2] or self.several[:1]}
            case "ordering":
                count = len(self.places)
                return given | {name: str((n + turn) % count + 1) for n, name in enumerate(self.places)}
            case _:
                return given | {"number": str(12 + turn)}


def _only(pattern: str, html: str) -> str:
    found = search(pattern, html)
    assert found, f"no {pattern} in {html}"
    return found.group(1)


class Taker:
    def __init__(self, client: AsyncClient) -> None:
        self.client = client

    async def begin(self, occupation_code: str = OCCUPATION) -> Asked:
        return await self.follow(await self.client.post("/assess/begin", {"occupation_code": occupation_code}))

    async def follow(self, answer: Any) -> Asked:
        """The question that a redirect leads to."""
        assert answer.status_code == 303, answer.content.decode()
        return await self.look(answer["Location"])

    async def look(self, address: str) -> Asked:
        page = await self.client.get(address)
        assert page.status_code == 200, page.content.decode()
        return Asked(page.content.decode())

    async def send(self, asked: Asked, fields: Fields | None = None) -> Any:
        return await self.client.post(asked.address, asked.fields() if fields is None else fields)

    async def answer(self, asked: Asked, turn: int = 0) -> Asked:
        return await self.follow(await self.send(asked, asked.fields(turn)))

    async def until(self, kind: str, database: Database, user_id: str) -> Asked:
        """A question of this kind that waits, in a test that is the same each time. Where it has none, in another."""
        for seed in map(str, range(MOST_TESTS)):
            async with database.writing() as session:
                begun = await sittings.begin(session, user_id=user_id, occupation_code=OCCUPATION, seed=seed)
            found = await self.until_next(kind, await self.look(f"/assess/{begun}"))
            if found:
                return found
        raise AssertionError(f"no question of this kind was asked: {kind}")

    async def until_next(self, kind: str, asked: Asked) -> Asked | None:
        """The first one of this kind from this question on; None where the test ends before."""
        while asked.kind != kind:
            page = await self.client.get((await self.send(asked))["Location"])
            if page.status_code != 200:
                return None
            asked = Asked(page.content.decode())
        return asked

    async def to_the_end(self, asked: Asked) -> tuple[list[Asked], Any]:
        """All questions from this one on, and the answer to the last, which leads to the result."""
        seen = []
        while True:
            seen.append(asked)
            sent = await self.send(asked)
            page = await self.client.get(sent["Location"])
            if page.status_code != 200:
                return seen, page
            asked = Asked(page.content.decode())
            assert len(seen) < MOST_QUESTIONS
