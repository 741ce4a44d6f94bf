"""A mail goes to the address that the profile has at that moment; its link leads to the site, whoever asked for it."""

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.holders import Holder
from accounts.tokens import make_token


def reset_mail(holder: Holder) -> EmailMessage:
    """What lets its reader set a password. Never log it: whoever has the link is let in."""
    link = settings.SITE_URL + reverse("accounts:reset-link", args=[holder.id, make_token(holder)])
    context = {"link": link, "first": not holder.password, "minutes": settings.PASSWORD_RESET_TIMEOUT // 60}
    body = render_to_string("accounts/mail/reset.txt", context)
    subject = _("Set your password for QuLab") if holder.password else _("Set your first password for QuLab")
    return EmailMessage(subject, body, to=[holder.email])
