"""Every list is registered once, under one name; models find each other's lists here without importing each other."""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from qulab.admin.declare import Action, Admin


class Site:
    def __init__(self) -> None:
        self._admins: dict[str, Admin] = {}

    def register(self, admin: Admin) -> Admin:
        """Raises ImproperlyConfigured for a name or a model that has a list already."""
        if admin.name in self._admins or self.of(admin.model) is not None:
            raise ImproperlyConfigured(f"the list {admin.name!r} or its model is registered already")
        self._admins[admin.name] = admin
        return admin

    def __iter__(self) -> Iterator[Admin]:
        """In the order of their ranks, and within one in that in which they were registered."""
        return iter(sorted(self._admins.values(), key=lambda admin: admin.rank))

    def get(self, name: str) -> Admin:
        return self._admins[name]

    def of(self, model: type[Any]) -> Admin | None:
        return next((admin for admin in self._admins.values() if admin.model is model), None)

    def named(self, model_name: str) -> Admin | None:
        """The list of the model with that class name: what an event calls its aggregate's type."""
        return next((admin for admin in self._admins.values() if admin.model.__name__ == model_name), None)

    def meant(self, name: str) -> Admin | None:
        """What a row names by the class of a model, or by the name of its list."""
        return self.named(name) or self._admins.get(name)

    def actions(self) -> set[tuple[str, str]]:
        return {(admin.name, action.name) for admin in self for action in admin.actions}

    def creations(self) -> list[str]:
        """The lists that get new rows by hand."""
        return [admin.name for admin in self if admin.has_new_rows]

    def edited(self) -> list[str]:
        return [admin.name for admin in self if admin.editing is not None]

    def action(self, admin: Admin, name: str) -> Action:
        return next(action for action in admin.actions if action.name == name)


site = Site()
