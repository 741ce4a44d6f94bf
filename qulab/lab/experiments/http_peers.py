"""What is compared: each peer is written as its own documentation does it, and all serve one table of one database."""

from collections.abc import Mapping
from importlib.util import find_spec

import msgspec
from django.conf import settings
from sqlalchemy import URL


class Peer(msgspec.Struct, frozen=True):
    """`needs` are the modules without which it cannot run, by the kind of database ("" for any)."""

    name: str
    application: str
    environment: Mapping[str, str] = {}
    needs: Mapping[str, tuple[str, ...]] = {}

    def missing(self, dialect: str) -> list[str]:
        needed = (*self.needs.get("", ()), *self.needs.get(dialect, ()))
        return [module for module in needed if find_spec(module) is None]


OURS = Peer(
    name="this project",
    application="qulab.asgi:application",
    environment={"DJANGO_SETTINGS_MODULE": "tests.peers.qulab_settings", "QULAB_STOCK_DJANGO": "0"},
)
PEERS = (
    OURS,
    msgspec.structs.replace(OURS, name="stock Django", environment={**OURS.environment, "QULAB_STOCK_DJANGO": "1"}),
    Peer(
        name="Django's ORM",
        application="tests.peers.django_orm.asgi:application",
        environment={"DJANGO_SETTINGS_MODULE": "tests.peers.django_settings"},
        needs={"postgresql": ("psycopg", "psycopg_pool")},
    ),
    Peer(name="FastAPI", application="tests.peers.fastapi_app:app", needs={"": ("fastapi",)}),
    Peer(name="Starlette", application="tests.peers.starlette_app:app", needs={"": ("starlette",)}),
)


class Missing(msgspec.Struct, frozen=True):
    """A peer that was left out, and the modules that it would need."""

    name: str
    modules: list[str]


def present(dialect: str) -> tuple[list[Peer], list[Missing]]:
    """Those that can run, this project first; and those that cannot."""
    missing = [Missing(peer.name, peer.missing(dialect)) for peer in PEERS]
    return (
        [peer for peer, absent in zip(PEERS, missing, strict=True) if not absent.modules],
        [absent for absent in missing if absent.modules],
    )


def environment(url: URL, schema: str | None, *, pool_size: int, max_overflow: int) -> dict[str, str]:
    """How any peer reaches the scratch database, and how many connections it may have."""
    if schema is not None:
        # asyncpg takes what it does not know in a DSN for settings of the server; the URL's other parts come first.
        url = url.update_query_dict({"dsn": f"postgresql:///?search_path={schema}"})
    address, sizes = url.render_as_string(hide_password=False), {"POOL_SIZE": pool_size, "MAX_OVERFLOW": max_overflow}
    return {
        "DATABASE_URL": address,
        "PEER_DATABASE_URL": address,
        **({} if schema is None else {"PGOPTIONS": f"-c search_path={schema}"}),  # of libpq, for Django's ORM
        **{f"{prefix}_{name}": str(size) for prefix in ("QULAB_DB", "PEER") for name, size in sizes.items()},
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "DJANGO_DEBUG": "0",
        "DJANGO_SECRET_KEY": settings.SECRET_KEY,
    }
