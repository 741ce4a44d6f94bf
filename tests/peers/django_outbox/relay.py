"""django-outbox-pattern publishes through its own Producer, called as its command `publish` calls it."""

import threading
import time

from django.core.management import call_command
from django.db import connection as database
from django.db import transaction
from django_outbox_pattern.choices import StatusChoice
from django_outbox_pattern.factories import factory_producer
from django_outbox_pattern.headers import get_message_headers
from django_outbox_pattern.models import Published

from tests.peers.django_outbox.connection import sent, target
from tests.peers.payloads import payload_of


class Worker:
    """`batch` is in the settings: its chunk size is read once, when they are."""

    def __init__(self, *, stopped: threading.Event, redis: str, stream: str, batch: int) -> None:
        target.update(redis=redis, stream=stream)
        self.producer = factory_producer()

    def open(self) -> None:
        with transaction.atomic():
            with database.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(2)")  # several processes begin at once
            call_command("migrate", "django_outbox_pattern", verbosity=0)
        self.producer.publish_message_from_database()

    def fill(self, *, events: int) -> None:
        with database.cursor() as cursor:
            cursor.execute("TRUNCATE published")
        rows = [Published(destination="/topic/events", body=payload_of(number)) for number in range(events)]
        for row in rows:
            row.headers = get_message_headers(row)  # as save() does, which bulk_create does not call
        Published.objects.bulk_create(rows, batch_size=1000)
        with database.cursor() as cursor:
            cursor.execute("ANALYZE published")

    def drain(self) -> dict[str, float]:
        before, ended_at = sent.total(), time.monotonic()
        while Published.objects.filter(status=StatusChoice.SCHEDULE).exists():
            self.producer.publish_message_from_database()
            ended_at = time.monotonic()
        return {"moved": sent.total() - before, "ended_at": ended_at}
