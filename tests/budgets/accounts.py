"""The addresses of one's account. Where somebody is signed in, one statement of each finds out who that is."""

from accounts.holders import holder_of_id
from accounts.tokens import make_token
from tests.access.people import PASSWORD, account, sign_client_in

from .conftest import Project
from .table import Case, post

NEW = {"new": "a wholly different phrase", "again": "a wholly different phrase"}
PERSON = {"name": "New", "email": "signed-up-{rows}@example.com", **NEW}
PROFILE = {"name": "Changed", "email": "{email}", "version": "1"}


def to_profile(address: str) -> Case:
    """Who comes here by GET is led to the account."""
    return Case(address, 1, status=302)


ACCOUNTS: dict[str, list[Case]] = {
    "accounts/sign-in": [
        Case("/accounts/sign-in", 0),
        post("/accounts/sign-in", 2, {"email": "{email}", "password": PASSWORD}),
        post("/accounts/sign-in", 1, {"email": "{email}", "password": "wrong"}, 422),
        post("/accounts/sign-in", 1, {"email": "nobody@example.com", "password": "wrong"}, 422),
        post("/accounts/sign-in", 0, status=422),
    ],
    "accounts/sign-up": [
        Case("/accounts/sign-up", 0),
        post("/accounts/sign-up", 3, PERSON),
        post("/accounts/sign-up", 1, PERSON, 422),
        post("/accounts/sign-up", 0, status=422),
    ],
    "accounts/sign-out": [to_profile("/accounts/sign-out"), post("/accounts/sign-out", 1)],
    "accounts/profile": [Case("/accounts/profile", 3)],
    "accounts/edit": [
        Case("/accounts/edit", 2),
        post("/accounts/edit", 4, PROFILE),
        post("/accounts/edit", 5, {**PROFILE, "email": "moved-{rows}@example.com", "password": PASSWORD}),
        post("/accounts/edit", 4, {**PROFILE, "email": "user0000@example.com", "password": PASSWORD}, 422),
        post("/accounts/edit", 3, {**PROFILE, "version": "2"}, 409),
        post("/accounts/edit", 1, status=422),
    ],
    "accounts/password": [
        Case("/accounts/password", 1),
        post("/accounts/password", 3, {"current": PASSWORD, **NEW}),
        post("/accounts/password", 2, {"current": "wrong", **NEW}, 422),
    ],
    "accounts/elsewhere": [to_profile("/accounts/elsewhere"), post("/accounts/elsewhere", 1)],
    "accounts/export.json": [Case("/accounts/export.json", 1)],  # what follows is read while it is sent
    "accounts/delete": [
        Case("/accounts/delete", 2),
        post("/accounts/delete", 6, {"password": PASSWORD})._replace(more_on_postgresql=-1),
        post("/accounts/delete", 3, {"password": "wrong"}, 422),
    ],
    "accounts/gone": [Case("/accounts/gone", 0)],
    "accounts/reset": [
        Case("/accounts/reset", 0),
        post("/accounts/reset", 1, {"email": "{email}"}),
        post("/accounts/reset", 1, {"email": "nobody@example.com"}),
        post("/accounts/reset", 0, status=422),
    ],
    "accounts/reset/sent": [Case("/accounts/reset/sent", 0)],
    "accounts/reset/<str:user_id>/<str:token>": [Case("{link}", 0, status=302)],
    "accounts/reset/new": [
        Case("/accounts/reset/new", 1),
        post("/accounts/reset/new", 2, NEW),
        post("/accounts/reset/new", 1, status=422),
    ],
}
SIGNED_IN = {"profile", "edit", "password", "elsewhere", "export.json", "delete", "sign-out"}


async def somebody_for(project: Project, route: str) -> None:
    """A new account for each case: signed in where the page is one's own, and with a link that sets a password."""
    project.client.cookies.clear()
    known = await account(project.database)
    async with project.database.reading() as session:
        holder = await holder_of_id(session, known.person.id)
    assert holder is not None
    project.keys |= {"email": holder.email, "link": f"/accounts/reset/{holder.id}/{make_token(holder)}"}
    if route.removeprefix("accounts/") in SIGNED_IN:
        await sign_client_in(project.client, known)
    if route == "accounts/reset/new":
        await project.client.get(project.keys["link"])
