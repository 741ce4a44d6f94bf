"""A server that is away is one line in the log, not a page of frames for each attempt to reach it."""

import logging


class OutagesInOneLine(logging.Filter):
    """Keeps the first line of a record whose exception says that a connection failed."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        while error is not None:
            if isinstance(error, OSError) or type(error).__name__ in {"OperationalError", "ConnectionError"}:
                record.exc_info = None
                # Celery's beat puts the stack into the message.
                record.msg, record.args = record.getMessage().partition("\n")[0], None
                break
            error = error.__cause__ or error.__context__
        return True
