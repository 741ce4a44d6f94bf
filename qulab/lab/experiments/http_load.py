"""The load comes from a process of its own, and what it counts as an answer is one: status 200, of the length expected.

Run as a script, with the standard library alone, so that it starts in 0.1 s: port, address, length of the body,
connections, seconds. It prints one JSON document. Connections are kept alive, and each asks again when it was answered.
"""

import asyncio
import json
import sys
import time

PATIENCE = 20.0  # seconds beyond its own that a round may take
HEAD_ENDS = b"\r\n\r\n"


class Client(asyncio.Protocol):
    """One connection. `times` collects the seconds of each answer; `finished` is set when the time is up."""

    transport: asyncio.Transport

    def __init__(self, request: bytes, length: int, times: list[float]) -> None:
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._length = length
        self._says_length = b"\r\ncontent-length: %d\r\n" % length
        self._times = times
        self._received = b""
        self._asked = self._until = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def begin(self, until: float) -> None:
        self._until = until
        self._ask()

    def _ask(self) -> None:
        self._received = b""
        self._asked = time.perf_counter()
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(HEAD_ENDS)
        if end < 0:
            return
        if (
            not self._received.startswith(b"HTTP/1.1 200 ")
            or self._says_length not in self._received[: end + 2].lower()
        ):
            self._fail(f"an answer of another kind: {self._received[:end].decode(errors='replace')!r}")
        elif (surplus := len(self._received) - end - len(HEAD_ENDS) - self._length) > 0:
            self._fail(f"{surplus} bytes too many")
        elif surplus == 0:
            self._answered()

    def _answered(self) -> None:
        now = time.perf_counter()
        self._times.append(now - self._asked)
        if now < self._until:
            self._ask()
        elif not self.finished.done():
            self.finished.set_result(None)
            self.transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        self._fail("the connection was closed")

    def _fail(self, why: str) -> None:
        if not self.finished.done():
            self.finished.set_exception(RuntimeError(why))
            self.transport.close()


async def load(port: int, address: str, length: int, connections: int, seconds: float) -> dict[str, float]:
    """Times in seconds; `busy` is the part of a processor that the load itself took."""
    times: list[float] = []
    request = f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(lambda: Client(request, length, times), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    began, busy = time.perf_counter(), time.process_time()
    for client in clients:
        client.begin(began + seconds)
    async with asyncio.timeout(seconds + PATIENCE):
        await asyncio.gather(*(client.finished for client in clients))
    elapsed = time.perf_counter() - began
    busy = (time.process_time() - busy) / elapsed
    times.sort()
    return {
        "requests": len(times),
        "seconds": elapsed,
        "p50": times[len(times) // 2],
        "p99": times[int(len(times) * 0.99)],
        "busy": busy,
    }


def main(port: str, address: str, length: str, connections: str, seconds: str) -> None:
    try:
        measured = asyncio.run(load(int(port), address, int(length), int(connections), float(seconds)))
    except (OSError, RuntimeError) as error:  # a TimeoutError is an OSError
        sys.exit(str(error) or f"no answer within {float(seconds) + PATIENCE:g} s")
    sys.stdout.write(json.dumps(measured))


if __name__ == "__main__":
    main(*sys.argv[1:])
