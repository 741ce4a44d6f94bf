"""A mail server that takes nothing, and names the address in what it says."""

from collections.abc import Sequence
from smtplib import SMTPRecipientsRefused

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class EmailBackend(BaseEmailBackend):
    asked = 0

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        type(self).asked += 1
        raise SMTPRecipientsRefused(dict.fromkeys(email_messages[0].to, (550, b"no")))
