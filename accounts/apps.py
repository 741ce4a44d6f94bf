"""The app `accounts`: its models join the metadata when Django sets up."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
