"""Receivers that serve an ORM and caches which are not here are taken off: each would cost every request a thread."""

from django.core.cache import close_caches
from django.core.handlers.base import reset_urlconf
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries

# `close_caches`: the one cache is django-redis, whose pool stays open. `reset_urlconf`: each request sets its own, in
# a context that ends with its task.
IDLE = (
    (request_started, reset_queries),
    (request_started, close_old_connections),
    (request_finished, close_old_connections),
    (request_finished, close_caches),
    (request_finished, reset_urlconf),
)


def disconnect_idle_receivers() -> None:
    for signal, receiver in IDLE:
        signal.disconnect(receiver)
