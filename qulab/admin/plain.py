"""Text from outside is one line of characters that both databases can store; anything else is refused at its field."""

from typing import Any
from unicodedata import category

from django import forms
from django.utils.translation import gettext_lazy as _

NO_TEXT = frozenset({"Cc", "Cs"})  # control characters and halves of surrogate pairs


def is_plain(text: str) -> bool:
    # U+FFFD is what Django puts for bytes that are no UTF-8.
    return "\ufffd" not in text and all(category(sign) not in NO_TEXT for sign in text)


class PlainField(forms.CharField):
    """A line of text. PostgreSQL cannot store a null byte, and no column here holds control characters."""

    def to_python(self, value: Any) -> str:
        text = str(super().to_python(value) or "")
        if not is_plain(text):
            raise forms.ValidationError(_("This has control characters or bytes that are no text: leave them out."))
        return text
