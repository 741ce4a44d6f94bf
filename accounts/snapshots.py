"""What of a user is cached and shown: frozen values, and never a credential."""

from datetime import datetime
from typing import Self

import msgspec

from accounts.models import User


class UserSnapshot(msgspec.Struct, frozen=True):
    id: str
    email: str
    name: str
    occupation_code: str | None
    education_level: str | None
    years_experience: float | None
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(**{name: getattr(user, name) for name in cls.__struct_fields__})
