from importlib import import_module

from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "qulab.access"
    label = "qulab_access"

    def ready(self) -> None:
        import_module("qulab.access.checks")  # which registers itself
