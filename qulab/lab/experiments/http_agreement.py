"""Before their speed is compared, all servers must say the same: each of the same fields has the same value."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from qulab.lab.experiments.http_servers import Server, ask
from qulab.lab.experiments.peers import Disagreement

OK = 200


async def agreed_lengths(servers: Sequence[Server], place: str) -> dict[str, int]:
    """The length of each server's body. Raises Disagreement where one says something else than the first."""
    answers = {server.name: await ask(server, place) for server in servers}
    for server in servers:
        if answers[server.name].status != OK:
            raise server.failed(f"answered {answers[server.name].status} to {place}")
    contents = {name: content(answer.body) for name, answer in answers.items()}
    first = next(iter(contents))
    for name, told in contents.items():
        if told != contents[first]:
            raise Disagreement(f"{place}: {first} says {contents[first]}, {name} says {told}")
    return {name: len(answer.body) for name, answer in answers.items()}


def content(body: bytes) -> dict[str, Any]:
    """What the JSON says, whatever its notation: moments are compared, not their spelling."""
    document: dict[str, Any] = msgspec.json.decode(body)
    return {name: _moment(value) if name.endswith("_at") else value for name, value in document.items()}


def _moment(text: str) -> datetime:
    """A moment without a zone is in UTC, as it is stored. Milliseconds are all that Django's JSON keeps."""
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
