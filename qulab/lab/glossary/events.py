"""Words of the outbox, of streams, and of those who read them."""

from django.utils.translation import gettext as _

from qulab.lab.glossary.word import Word


def words() -> list[Word]:
    return [
        Word(
            "batch",
            _("Batch"),
            _("The rows of one publication of a partition. It has a number, counted in the database."),
            5,
        ),
        Word("depth", _("Depth"), _("How many events are pending."), 5),
        Word(
            "domain-event",
            _("Domain event"),
            _("A fact in the past tense, written as a row in the transaction that made it true."),
            5,
        ),
        Word("drain", _("Drain"), _("Publish batch after batch until nothing is pending."), 5),
        Word(
            "envelope",
            _("Envelope"),
            _(
                "What goes onto the stream: the event in the form of CloudEvents 1.0, for readers who know "
                "nothing of our tables."
            ),
            5,
        ),
        Word(
            "lag",
            _("Lag"),
            _("The age of the oldest pending event. It grows when nobody publishes, however few wait."),
            5,
        ),
        Word(
            "mark",
            _("Mark"),
            _("The number of the last batch that Redis took for a partition. A batch that comes again is known by it."),
            5,
        ),
        Word(
            "outbox",
            _("Outbox"),
            _("The table of events that are to be published: written with the change they tell of, sent afterwards."),
            5,
        ),
        Word(
            "partition",
            _("Partition"),
            _(
                "A share of the aggregates, chosen by a checksum of their key. Order is kept inside it, and one "
                "relay works on it at a time."
            ),
            5,
        ),
        Word(
            "relay",
            _("Relay"),
            _("The process that moves pending rows into Redis and marks them published."),
            5,
            _("event publisher"),
        ),
        Word(
            "tick",
            _("Tick"),
            _("One run of the relay that the beat asked for. A commit need not wait for it: it wakes the relay."),
            5,
        ),
        Word(
            "ack",
            _("Acknowledge"),
            _("Tell the stream that an entry is dealt with. What is not acknowledged comes again."),
            5,
            "ack",
        ),
        Word(
            "at-least-once",
            _("At least once"),
            _("No event is lost; one may come twice. So a consumer has to notice a repeat."),
            5,
        ),
        Word("backoff", _("Backoff"), _("The pause before the next attempt. It grows with each failure."), 5),
        Word(
            "consumer-group",
            _("Consumer group"),
            _("Readers that share one stream: each entry goes to one of them, and stays pending until acknowledged."),
            5,
        ),
        Word(
            "dead-letter",
            _("Dead letter"),
            _("An event past its last attempt. It waits, with its error, for a person to redrive or discard it."),
            5,
        ),
        Word(
            "inbox",
            _("Inbox"),
            _("A consumer's table of the ids it has dealt with, written in the transaction of the work itself."),
            5,
        ),
        Word("prune", _("Prune"), _("Delete published events that are older than the time they are kept for."), 5),
        Word("redrive", _("Redrive"), _("Put a dead letter back to pending, with its attempts counted anew."), 5),
        Word(
            "replay",
            _("Replay"),
            _("Publish a published event again, as a new entry, for consumers that need it once more."),
            5,
        ),
        Word(
            "stream",
            _("Stream"),
            _("An append-only list in Redis. Entries have ids in order, and reading does not remove them."),
            5,
        ),
    ]
