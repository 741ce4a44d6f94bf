import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from tests.cache.source import Source


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
async def hung() -> AsyncIterator[str]:
    """A server that accepts and never answers."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/1"
    server.close()
    for writer in writers:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
