"""The app `assessments`: its models join the metadata when Django sets up."""

from django.apps import AppConfig


class AssessmentsConfig(AppConfig):
    name = "assessments"
