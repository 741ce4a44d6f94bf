"""Words of the cache."""

from django.utils.translation import gettext as _

from qulab.lab.glossary.word import Word


def words() -> list[Word]:
    return [
        Word(
            "breaker",
            _("Circuit breaker"),
            _(
                "After failures it stops asking Redis for a while, so that an outage costs one wait and not one "
                "for each read."
            ),
            4,
        ),
        Word(
            "hit-ratio",
            _("Hit ratio H"),
            _("Hits divided by requests. With no request it is undefined, and the page says so."),
            4,
        ),
        Word(
            "invalidate",
            _("Invalidate"),
            _("Delete a key because its row changed; here by the commit of that change, and after it."),
            4,
        ),
        Word(
            "lease",
            _("Lease"),
            _(
                "The right to fill a key after a miss. Who changes the row takes it away, so no old value is "
                "stored late."
            ),
            4,
        ),
        Word(
            "read-through",
            _("Read-through cache"),
            _("Readers ask the cache alone; on a miss it loads, keeps, and answers."),
            4,
        ),
        Word(
            "single-flight",
            _("Single flight"),
            _("While one reader loads a key, the others wait for the same answer."),
            4,
        ),
        Word(
            "stale",
            _("Stale"),
            _("Older than the row it stands for. A time to live bounds it, an invalidation ends it."),
            4,
        ),
        Word(
            "stale-hit",
            _("Stale hit"),
            _("An answer past its time to live, given while a newer one is loaded. It may still equal the row."),
            4,
        ),
        Word(
            "stampede",
            _("Stampede"),
            _("Many readers miss one key at once, and each loads it: what single flight prevents."),
            4,
        ),
        Word(
            "t-avg",
            "T_avg",
            _("Mean time of an access: the look into the cache, plus the share of misses times the load."),
            4,
        ),
        Word("ttl", "TTL", _("How long Redis keeps a key that nobody deletes."), 4, _("time to live")),
        Word(
            "zipf",
            _("Zipf's law"),
            _("Few things are asked for often, most of them seldom; the second half as often as the first."),
            4,
        ),
    ]
