"""Who drains: the product's relay, a loop by hand, and other libraries as their own documentation uses them."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import msgspec
from django.conf import settings

from qulab.lab.experiments.outbox_place import Place, reached, schema_of
from qulab.lab.experiments.outbox_setting import Setting
from qulab.lab.experiments.peers import INSTALL, are_here
from qulab.lab.experiments.processes.children import Kind

PEER_STREAM = "bench:peer"  # an entry of each peer, one after the other
OURS, BY_HAND = "relay", "by hand"


class Contender(msgspec.Struct, frozen=True):
    """`module` has its Worker. `fills`: it has a table of its own, and fills it; else it drains `domain_events`."""

    name: str
    module: str
    fills: bool = True
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}

    @property
    def missing(self) -> list[str]:
        return [module for module in self.needs if find_spec(module) is None]


RELAY = Contender(name=OURS, module="qulab.lab.experiments.processes.relay", fills=False)
LOOP = Contender(name=BY_HAND, module="qulab.lab.experiments.processes.by_hand", fills=False)
PEERS = (
    Contender(
        name="faststream-outbox",
        module="tests.peers.faststream_relay",
        needs=("faststream", "faststream_outbox", "asyncpg"),
    ),
    Contender(
        name="django-outbox-pattern",
        module="tests.peers.django_outbox.relay",
        needs=("django_outbox_pattern", "stomp", "psycopg"),
        environment={"DJANGO_SETTINGS_MODULE": "tests.peers.django_outbox.settings"},
    ),
)


def present(with_peers: bool, dialect: str) -> tuple[list[Contender], list[str]]:
    """Those that can run on this database, the relay first; and in words, why others do not."""
    if dialect != "postgresql":
        return [RELAY], ["The loop by hand and the other libraries drain on PostgreSQL only: it is what they are for."]
    if not with_peers:
        return [RELAY, LOOP], ["Other libraries drain beside it with --peers true."]
    if not are_here(settings.BASE_DIR):
        return [RELAY, LOOP], ["Other libraries are compared in a checkout, where tests/peers is."]
    told = [
        f"{one.name} is left out: {', '.join(one.missing)} is not installed ({INSTALL})."
        for one in PEERS
        if one.missing
    ]
    return [RELAY, LOOP, *(one for one in PEERS if not one.missing)], told


async def kinds(contender: Contender, count: int, place: Place, setting: Setting) -> list[Kind]:
    """`count` processes of this contender."""
    names = (f"{contender.name}, process {number}" for number in range(1, count + 1))
    if contender is RELAY:
        return [await place.kind(name, "relay", setting) for name in names]
    return [kind async for kind in _others(contender, names, setting)]


async def _others(contender: Contender, names: Iterator[str], setting: Setting) -> Any:
    schema = await schema_of(setting.database)
    given: dict[str, Any] = {
        "redis": settings.REDIS_SCRATCH_URL,
        "stream": PEER_STREAM,
        "batch": settings.OUTBOX_BATCH,
    }
    if contender is LOOP:
        given["database"] = _of_asyncpg(setting, schema)
    environment = {**await reached(setting.database, 10), "DJANGO_SETTINGS_MODULE": "", **contender.environment}
    for name in names:
        yield Kind(name=name, module=contender.module, given=given, environment=environment)


def _of_asyncpg(setting: Setting, schema: str | None) -> dict[str, Any]:
    """What asyncpg connects with, as SQLAlchemy makes it of the address."""
    _, options = setting.database.engine.dialect.create_connect_args(setting.database.url)
    known = {name: options[name] for name in ("host", "port", "user", "password", "database") if name in options}
    return {**known, "server_settings": {"search_path": schema}}
