import asyncio

import pytest
from django.test import AsyncClient

from accounts.repositories import UserRepository
from qulab.db.engine import Database


@pytest.mark.usefixtures("cache", "streams_client")
class TestDuplicates:
    async def test_of_twenty_forms_with_one_address_one_is_stored_and_the_others_are_told_at_the_field(
        self, database: Database
    ) -> None:
        for burst in range(3):
            fields = {"email": f"race{burst}@example.com", "name": "R"}
            async with asyncio.timeout(8):
                answers = await asyncio.gather(
                    *(AsyncClient(raise_request_exception=False).post("/lab/1/users", fields) for _ in range(20))
                )

            assert sorted(answer.status_code for answer in answers) == [302] + [422] * 19
            async with database.reading() as session:
                assert await UserRepository(session).count() == burst + 1
        assert database.pool_state().checked_out == 0

    async def test_pages_answer_while_others_reset_the_lab(self, database: Database) -> None:
        client = AsyncClient(raise_request_exception=False)
        answers = await asyncio.gather(
            *(client.post("/lab/2/reset") for _ in range(6)),
            *(client.get(page) for page in ("/lab/4", "/lab/5") for _ in range(5)),
        )

        assert {answer.status_code for answer in answers} <= {200, 302}
