"""Addresses of one's account. Whose it is stands in none of them, except in the link that a mail brings."""

from django.urls import path

from accounts.views import entry, leaving, password, profile
from qulab.access.needs import Need, guarded

app_name = "accounts"

urlpatterns = [
    *guarded(
        Need.ANYONE,
        [
            path("profile", profile.profile, name="profile"),
            path("sign-in", entry.sign_in, name="sign-in"),
            path("sign-up", entry.sign_up, name="sign-up"),
            path("gone", leaving.gone, name="gone"),
            path("reset", password.ask_for_reset, name="reset"),
            path("reset/sent", password.reset_sent, name="reset-sent"),
            path("reset/new", password.set_new, name="reset-new"),
            path("reset/<str:user_id>/<str:token>", password.follow_link, name="reset-link"),
        ],
    ),
    *guarded(
        Need.PERSON,
        [
            path("sign-out", entry.sign_out, name="sign-out"),
            path("edit", profile.edit, name="edit"),
            path("password", password.change, name="password"),
            path("elsewhere", profile.sign_out_elsewhere, name="elsewhere"),
            path("delete", leaving.delete, name="delete"),
            path("export.json", leaving.export, name="export"),
        ],
    ),
]
