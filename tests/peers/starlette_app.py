"""Starlette with SQLAlchemy Core: the floor, since FastAPI stands on it."""

from sqlalchemy import select
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.peers.tables import User, engine

USERS = User.__table__


async def read_user(request: Request) -> JSONResponse:
    async with engine.connect() as connection:
        rows = await connection.execute(select(USERS).where(USERS.c.id == request.path_params["user_id"]))
        row = rows.mappings().one_or_none()
    if row is None:
        raise HTTPException(404)
    times = {name: row[name].isoformat() for name in ("created_at", "updated_at")}
    return JSONResponse({**row, **times})


async def plain(_request: Request) -> JSONResponse:
    return JSONResponse({"hello": "world"})


app = Starlette(routes=[Route("/users/{user_id}", read_user), Route("/plain", plain)])
