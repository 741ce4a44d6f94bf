"""The lab as a Django app: its models join the metadata when Django sets up."""

from django.apps import AppConfig


class LabConfig(AppConfig):
    name = "qulab.lab"
    label = "lab"
