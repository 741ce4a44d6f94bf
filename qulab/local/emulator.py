"""A stand-in for Redis in a process of its own, for machines that have none. Run as a script: `emulator.py PORT`."""

import sys
from typing import Any

from fakeredis import TcpFakeServer
from redis.exceptions import ResponseError


def keeping_connections(handler: Any) -> Any:
    """The handler, but a connection stays open after an error reply, as with Redis: NOSCRIPT is part of normal work."""

    class Handler(handler):  # type: ignore[misc]  # the base is known at run time only
        def setup(self) -> None:
            super().setup()
            read = self.current_client.read_response

            def read_or_error() -> Any:
                try:
                    return read()
                except ResponseError as error:
                    return error

            self.current_client.read_response = read_or_error

    return Handler


def main(port: int) -> None:
    server = TcpFakeServer(("127.0.0.1", port))
    server.RequestHandlerClass = keeping_connections(server.RequestHandlerClass)
    server.daemon_threads = True  # an open connection must not hold up the end
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
