"""A Django with django-outbox-pattern as its README sets it up, except for the connection class, which is ours."""

import os

from tests.peers.django_settings import DATABASES, SECRET_KEY, USE_TZ

del DATABASES["default"]["OPTIONS"]  # a command has one connection, and needs no pool
INSTALLED_APPS = ["django_outbox_pattern"]
DJANGO_OUTBOX_PATTERN = {
    "DEFAULT_CONNECTION_CLASS": "tests.peers.django_outbox.connection.RedisConnection",
    "DEFAULT_PUBLISHED_CHUNK_SIZE": int(os.environ.get("QULAB_OUTBOX_BATCH", "500")),
    "DEFAULT_PRODUCER_WAITING_TIME": 0,  # between two looks; a second by default
}
LOGGING = {"version": 1, "loggers": {"django_outbox_pattern": {"level": "WARNING"}}}

__all__ = ["DATABASES", "DJANGO_OUTBOX_PATTERN", "INSTALLED_APPS", "LOGGING", "SECRET_KEY", "USE_TZ"]
