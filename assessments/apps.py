"""The app `assessments`: its models join the metadata when Django sets up, and its check the others."""

from importlib import import_module

from django.apps import AppConfig


class AssessmentsConfig(AppConfig):
    name = "assessments"

    def ready(self) -> None:
        import_module("assessments.checks")  # which registers itself
