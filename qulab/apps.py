"""The project as a Django app, so that its commands and static files are found."""

from django.apps import AppConfig


class QuLabConfig(AppConfig):
    name = "qulab"
    verbose_name = "QuLab"
