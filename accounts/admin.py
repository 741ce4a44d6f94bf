"""Users as operators see them."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from sqlalchemy import select

from accounts import services
from accounts.forms import ProfileForm, clean_email
from accounts.models import Credentials, User
from qulab.admin.declare import Admin, Column, Editing, Link, NotByHand, Sort, deletion
from qulab.admin.filters import Exact, Period
from qulab.admin.site import site
from qulab.db.session import Session


class UserFields(ProfileForm):
    """A profile as staff edit it: without the person's password, and without their browser's memory of itself."""

    password = None  # type: ignore[assignment]
    version = None  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["autocomplete"] = "off"
        self.fields["occupation_code"].help_text = _("An SOC code, such as 15-1252 for software developers.")

    def clean_email(self) -> str:
        return clean_email(self.cleaned_data["email"])


async def _create(session: Session, **values: Any) -> User:
    return await services.add_user(session, User(**values))


async def _change(session: Session, key: str, version: int, **changes: Any) -> User:
    """Who could change the address of other staff could have a password set by mail, and go on under their name."""
    if "email" in changes and await session.scalar(select(Credentials.is_staff).where(Credentials.user_id == key)):
        raise NotByHand("email", _("Staff change their address themselves, or are given another account."))
    return await services.change_user(session, user_id=key, version=version, **changes)


site.register(
    Admin(
        model=User,
        name="users",
        title=_("Users"),
        one=_("User"),
        about=_("People who take assessments."),
        empty=_("There are no users yet. People sign up, staff create them here, and manage.py seed makes many."),
        label=lambda user: user.name,
        columns=[
            Column("name", _("Name"), sort="name", link=True),
            Column("email", _("Email"), sort="email"),
            Column("occupation_code", _("Occupation")),
            Column("years_experience", _("Years")),
            Column("created_at", _("Created (UTC)"), sort="created"),
        ],
        search=[User.name, User.email],
        search_hint=_("Part of a name or address, or an id"),
        filters=[Exact(User.occupation_code, _("Occupation code")), Period(User.created_at)],
        sorts={
            "created": Sort(User.id, _("Oldest first"), _("Newest first")),
            "name": Sort(User.name, _("Name, A to Z"), _("Name, Z to A")),
            "email": Sort(User.email, _("Email, A to Z"), _("Email, Z to A")),
        },
        related=["scores", "assessments"],
        editing=Editing(
            form=UserFields,
            new=_("New user"),
            create=_create,
            change=_change,
            taken={"email": _("Another user has this address.")},
        ),
        actions=[
            deletion(
                question=lambda n: ngettext("Delete %(n)s user?", "Delete %(n)s users?", n) % {"n": f"{n:,}"},
                done=lambda n: ngettext("%(n)s user is deleted.", "%(n)s users are deleted.", n) % {"n": f"{n:,}"},
                run=services.remove_users,
                oneself=_("Your own account is among them: you are signed out at once."),
            )
        ],
        along={
            "credentials": lambda n: ngettext("sign-in", "sign-ins", n),
            "air_scores": lambda n: ngettext("score", "scores", n),
            "sittings": lambda n: ngettext("test", "tests", n),
            "assessments": lambda n: ngettext("assessment", "assessments", n),
            "responses": lambda n: ngettext("asked question", "asked questions", n),
        },
        links=[Link(_("Events about this user"), "events", {"aggregate_type": "User"}, {"aggregate_id": "id"})],
    )
)
