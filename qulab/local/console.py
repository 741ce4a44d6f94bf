"""Where no mail server is set, a mail is printed whole: who reads this terminal is who it is for.

Past the logs, which leave out what would let their reader in, and past Celery, which makes logs of what is printed.
"""

import sys
from typing import Any, TextIO

from django.core.mail.backends.console import EmailBackend as StockEmailBackend


class EmailBackend(StockEmailBackend):
    def __init__(self, *, stream: TextIO | None = None, **options: Any) -> None:
        super().__init__(stream=stream or sys.__stdout__, **options)
