"""In place of `stomp.StompConnection12`: what the producer asks of a connection, with an XADD for a SEND.

A SEND of stomp.py returns when it is written to the socket; an XADD when Redis has answered.
"""

import json
from collections import Counter
from typing import Any

from redis import Redis

target: dict[str, str] = {}  # `redis` and `stream`, set by the Worker before the producer is made
sent: Counter[str] = Counter()  # by destination


class RedisConnection:
    def __init__(self, **_stomps: Any) -> None:
        self._redis: Redis | None = None

    def connect(self, **_credentials: Any) -> None:
        self._redis = Redis.from_url(target["redis"])

    def is_connected(self) -> bool:
        return self._redis is not None

    def disconnect(self) -> None:
        if self._redis is not None:
            self._redis.close()
        self._redis = None

    def send(self, *, destination: str, body: str, headers: dict[str, Any]) -> None:
        assert self._redis is not None
        self._redis.xadd(target["stream"], {"destination": destination, "body": body, "headers": json.dumps(headers)})
        sent[destination] += 1
