"""The app `outbox`: its models join the metadata when Django sets up."""

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    name = "outbox"
