"""The admin-style views as a Django app."""

from django.apps import AppConfig


class AdminConfig(AppConfig):
    name = "qulab.admin"
    label = "qulab_admin"
