from importlib import import_module

from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "qulab.access"
    label = "qulab_access"

    def ready(self) -> None:
        for name in ("checks", "deployment"):  # which register themselves
            import_module(f"qulab.access.{name}")
