"""Who may use the lab: nobody, staff, or anybody, as `settings.LAB` says. To all others no page speaks of it."""

from django.conf import settings
from django.http import HttpRequest

from qulab.access.person import person_of


def sees_lab(request: HttpRequest | None) -> bool:
    """Whether the addresses of the lab answer who asks, so that a page may link there."""
    return bool(settings.LAB == "open" or (settings.LAB == "staff" and is_staff(request)))


def is_staff(request: HttpRequest | None) -> bool:
    """The operator at this machine is staff, too."""
    person = person_of(request)
    return person is not None and person.is_staff
