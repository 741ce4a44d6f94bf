"""What each step of a test sends: as many statements with its last question as with its second."""

from typing import Any

from qulab.db.probe import probe
from tests.access.people import signed_in
from tests.assessments.taking import MOST_QUESTIONS, OCCUPATION, Asked, Taker

from .conftest import Project, project

__all__ = ["project"]  # a fixture

BEGIN, SHOW, ANSWER, LAST_OF_A_PART, LAST, RESULT = 6, 2, 6, 9, 9, 3


class Counted:
    """Somebody who takes the test, and how many statements each of their requests sent."""

    def __init__(self, project: Project) -> None:
        self.taker = Taker(project.client)
        self.engine = project.database.engine

    async def post(self, address: str, fields: dict[str, Any]) -> tuple[Any, int]:
        with probe(self.engine) as opened:
            sent = await self.taker.client.post(address, fields)
        assert sent.status_code == 303, sent.content.decode()
        return sent, opened.count

    async def get(self, address: str) -> tuple[Any, int]:
        with probe(self.engine) as opened:
            page = await self.taker.client.get(address)
        return page, opened.count


async def test_every_step_of_a_test_sends_what_its_kind_sends(project: Project, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    await signed_in(project.client, project.database)
    counted = Counted(project)

    sent, begun = await counted.post("/assess/begin", {"occupation_code": OCCUPATION})
    shown, answered = [], list[tuple[str, int]]()
    for _ in range(MOST_QUESTIONS + 1):
        page, statements = await counted.get(sent["Location"])
        shown.append(statements)
        if page.status_code != 200:
            break
        asked = Asked(page.content.decode())
        sent, statements = await counted.post(asked.address, asked.fields())
        answered.append((part_of(asked), statements))

    last_of_a_part = [n for n, (part, _) in enumerate(answered[:-1]) if answered[n + 1][0] != part]
    expected = [LAST_OF_A_PART if n in last_of_a_part else ANSWER for n in range(len(answered) - 1)]
    assert begun == BEGIN
    assert [statements for _, statements in answered] == [*expected, LAST]
    assert shown == [*[SHOW] * len(answered), RESULT]


def part_of(asked: Asked) -> str:
    return asked.html.partition("<h1>")[2].partition("</h1>")[0]
