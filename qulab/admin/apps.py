from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class AdminConfig(AppConfig):
    name = "qulab.admin"
    label = "qulab_admin"

    def ready(self) -> None:
        autodiscover_modules("admin")
