"""What a person does on the pages of an account, in one line each."""

from typing import Any

from django.test import AsyncClient

from accounts.models import User
from qulab.access.person import Person
from qulab.db.engine import Database
from tests.access.people import PASSWORD, account

NEW = "a wholly different phrase"
EMAIL = "ada@example.com"


async def post(client: AsyncClient, page: str, **fields: Any) -> Any:
    return await client.post(f"/accounts/{page}", fields)


async def sign_up(client: AsyncClient, *, email: str = EMAIL, name: str = "Ada", password: str = PASSWORD) -> Any:
    return await post(client, "sign-up", email=email, name=name, new=password, again=password)


async def sign_in(client: AsyncClient, *, email: str = EMAIL, password: str = PASSWORD, **fields: str) -> Any:
    return await post(client, "sign-in", email=email, password=password, **fields)


async def somebody(database: Database, *, email: str = EMAIL, **profile: Any) -> Person:
    """Stored, with PASSWORD, and not signed in."""
    return (await account(database, email=email, **profile)).person


async def without_credentials(database: Database, *, email: str = EMAIL) -> str:
    """A profile that somebody else stored."""
    user = User(email=email, name="Stored By Staff")
    async with database.writing() as session:
        session.add(user)
        await session.commit()
    return user.id


async def is_signed_in(client: AsyncClient) -> bool:
    return bool((await client.get("/accounts/profile")).status_code == 200)


def words(answer: Any) -> str:
    text: str = answer.content.decode()
    return text
