"""All lists with their counts, in one statement, and what was changed last, in another."""

from collections.abc import Mapping

import msgspec
from django.http import QueryDict
from django.urls import reverse

from qulab.admin import parts, query, values
from qulab.admin.asked import Asked, asked, form_for
from qulab.admin.declare import Admin
from qulab.admin.site import site
from qulab.db.session import Session

LATEST = 5  # entries of the audit


class Entry(msgspec.Struct, frozen=True):
    admin: Admin
    href: str
    count: str
    tabs: list[parts.Tab]


class IndexPage(msgspec.Struct, frozen=True):
    """`latest`: rows of the list `audit`."""

    entries: list[Entry]
    audit: Admin
    headings: list[parts.Heading]
    latest: list[values.Row]


async def index_page(session: Session) -> IndexPage:
    questions = {admin.name: _everything(admin) for admin in site}
    wanted = {
        f"{admin.name}:{value}": statement
        for admin in site
        for value, statement in parts.counted(admin, questions[admin.name]).items()
    }
    counts = await query.bounded_counts(session, wanted)
    audit = site.get("audit")
    latest = await query.first_rows(session, audit, limit=LATEST)
    return IndexPage(
        entries=[_entry(admin, questions[admin.name], counts) for admin in site],
        audit=audit,
        headings=parts.headings(audit),
        latest=[values.row(audit, one) for one in latest],
    )


def _everything(admin: Admin) -> Asked:
    form = form_for(admin, QueryDict())
    form.is_valid()
    return asked(form, QueryDict())


def _entry(admin: Admin, question: Asked, counts: Mapping[str, query.Count]) -> Entry:
    own = {name.partition(":")[2]: count for name, count in counts.items() if name.partition(":")[0] == admin.name}
    address = reverse("admin:list", args=[admin.name])
    tabs = [
        msgspec.structs.replace(tab, href=address + tab.href) for tab in parts.tabs(admin, question, own) if tab.value
    ]
    return Entry(admin, address, str(own[""]), tabs)
