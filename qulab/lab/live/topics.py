"""A stream carries what is on this list and nothing else: no channel of Redis can be listened to by its name."""

import re
from collections.abc import Iterable

POOL = "pool"
OUTBOX = "outbox"
OUTBOX_OF_ALL = "outbox.of-all"  # the same with the events of people; nobody asks for it, who may see it gets it
REDIS = "redis"  # told to every stream: whether Redis answers. Nobody asks for it
RUN = "run."
MOST_TOPICS = 4  # of one stream

_RUN_TOPIC = re.compile(r"run\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class UnknownTopic(ValueError):
    """Ask for one to four of: outbox, pool, run.<id>. For example /live?topics=outbox,pool"""

    def __str__(self) -> str:
        return str(self.__doc__)


def asked(text: str) -> tuple[str, ...]:
    """The topics in a list with commas, each once. Raises UnknownTopic."""
    topics = tuple(dict.fromkeys(text.split(",")))
    if len(topics) > MOST_TOPICS or not all(map(_is_known, topics)):
        raise UnknownTopic
    return topics


def granted(topics: Iterable[str], *, of_all: bool) -> tuple[str, ...]:
    """What a stream listens to: the topics that were asked for, the outbox as far as who asks may see it."""
    return tuple(OUTBOX_OF_ALL if topic == OUTBOX and of_all else topic for topic in topics)


def spoken(topic: str) -> str:
    """The name under which a topic was asked for."""
    return OUTBOX if topic == OUTBOX_OF_ALL else topic


def run_of(topic: str) -> str | None:
    """The id of the run that a topic is about."""
    return topic.removeprefix(RUN) if topic.startswith(RUN) else None


def _is_known(topic: str) -> bool:
    return topic in {POOL, OUTBOX} or _RUN_TOPIC.fullmatch(topic) is not None
