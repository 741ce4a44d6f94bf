#!/usr/bin/env python
"""The project's command line. A setting that cannot be used ends it with one line."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qulab.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        _ = settings.DEBUG  # reads the settings, so that their errors show here
    except ImproperlyConfigured as error:
        sys.exit(f"CommandError: {error}")
    try:
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:  # before a command has begun to listen for it
        sys.exit(130)


if __name__ == "__main__":
    main()
