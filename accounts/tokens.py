"""A link that sets a password works once, for an hour, and for the address that it was sent to.

The hash of the password goes into it, so that setting one ends it; nothing of it is stored.
"""

from typing import Any

from django.contrib.auth.tokens import PasswordResetTokenGenerator

from accounts.holders import Holder


class _Tokens(PasswordResetTokenGenerator):
    """Django's, which needs no table. A key of its own: no token for another purpose passes here."""

    key_salt = "accounts.tokens"

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        return f"{user.id}\n{user.password}\n{timestamp}\n{user.email}"


def make_token(holder: Holder) -> str:
    return _tokens.make_token(holder)  # type: ignore[arg-type]  # it asks for no more than the hash value does


def is_token_of(holder: Holder, token: str) -> bool:
    return _tokens.check_token(holder, token)  # type: ignore[arg-type]


_tokens = _Tokens()
