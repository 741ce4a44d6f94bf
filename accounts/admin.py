"""Users as operators see them."""

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from qulab.admin.declare import Admin, Column, Link, Sort
from qulab.admin.filters import Exact, Period
from qulab.admin.site import site

site.register(
    Admin(
        model=User,
        name="users",
        title=_("Users"),
        one=_("User"),
        about=_("People who take assessments."),
        empty=_("There are no users yet. Create one in section 1, or many with manage.py seed."),
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
        links=[Link(_("Events about this user"), "events", {"aggregate_type": "User"}, {"aggregate_id": "id"})],
    )
)
