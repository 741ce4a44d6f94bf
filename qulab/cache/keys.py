"""Every key that QuLab keeps in Redis is named here, so that no two uses can collide."""

VERSION = "q3"  # raise it when entries of an older release must not be read

# Cache (logical database of REDIS_CACHE_URL)


def entry(name: str, key: str) -> str:
    """A cached value, for example `q3:user:{id}`."""
    return f"{VERSION}:{name}:{key}"


def lease(entry_key: str) -> str:
    """Held by the one process that loads `entry_key`; an invalidation deletes it, and with it the right to fill."""
    return f"{entry_key}:lease"


# Streams and the relay (logical database of REDIS_STREAMS_URL)

WAKE = "outbox:wake"
ACTIVITY = "outbox:activity"
PUBLISHED_CHANNEL = "outbox:published"
STREAM_PREFIX = "events:"
STREAMS = "outbox:streams"  # the set of all streams that the relay wrote


def stream(aggregate_type: str) -> str:
    return f"{STREAM_PREFIX}{aggregate_type}"


def aggregate_type(stream: str) -> str:
    """The one whose events are in `stream`."""
    return stream.removeprefix(STREAM_PREFIX)


def dead_letters(consumer_group: str) -> str:
    return f"events:dead:{consumer_group}"


def failures(consumer_group: str) -> str:
    """How often the handlers of a group failed at an entry: `{stream}/{entry}` → number."""
    return f"outbox:failures:{consumer_group}"


def trimmed(stream: str) -> str:
    """Group → how many entries of the stream were trimmed away before that group had acknowledged them."""
    return f"outbox:trimmed:{stream}"


def mark(epoch: str, partition: int) -> str:
    """The number of the last batch that Redis holds of this partition of this database."""
    return f"outbox:{epoch}:{partition}:mark"


def batch_map(epoch: str, partition: int) -> str:
    """Event id → entry id of the batch that `mark` numbers."""
    return f"outbox:{epoch}:{partition}:map"


def alive(process: str) -> str:
    return f"alive:{process}"


# Live pages (channels and values in the streams' logical database)


def live(topic: str) -> str:
    """The channel of a topic, for example `live:run.{id}`."""
    return f"live:{topic}"


def run_state(run: str) -> str:
    """The last message of a run, as JSON: what a page that comes late shows first."""
    return f"lab:run:{run}:state"


def runs_of(network: str) -> str:
    """The set of runs that were asked for from one network, by a name that tells nothing of it."""
    return f"lab:network:{network}:runs"


def run_cancel(run: str) -> str:
    """Set when somebody cancels the run."""
    return f"lab:run:{run}:cancel"
