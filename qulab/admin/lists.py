"""A list as an address asks for it, in two statements; where it cannot be understood or answered, the page says so."""

from collections.abc import Mapping

import msgspec
from django.conf import settings
from django.http import QueryDict
from django.utils.translation import gettext as _
from sqlalchemy.exc import DBAPIError

from qulab.admin import parts, query, values
from qulab.admin.asked import Asked, FilterForm, asked, form_for
from qulab.admin.cursor import BrokenCursor, encode
from qulab.admin.declare import Admin
from qulab.db.errors import took_too_long
from qulab.db.session import Session

MOST_DIGITS = 12  # a longer count in an address was made up


class Ways(msgspec.Struct, frozen=True):
    """Addresses of other pages of the list; empty where there is none."""

    first: str = ""
    previous: str = ""
    next: str = ""
    last: str = ""

    def __bool__(self) -> bool:
        return any((self.first, self.previous, self.next, self.last))


class ListPage(msgspec.Struct, frozen=True, kw_only=True):
    admin: Admin
    form: FilterForm
    status: int
    problem: str = ""
    done: str = ""
    headings: list[parts.Heading] = []
    rows: list[values.Row] = []
    tabs: list[parts.Tab] = []
    count: str = ""
    exact: bool = False
    ways: Ways = Ways()
    offers: list[parts.Offer] = []
    exports: list[parts.Offer] = []
    params: Mapping[str, str] = {}
    narrowed: bool = False

    @property
    def gave_up(self) -> bool:
        return self.status == parts.UNAVAILABLE


async def list_page(session: Session, admin: Admin, data: QueryDict) -> ListPage:
    """The list. What cannot be understood is told at its field, and nothing is listed then."""
    form = form_for(admin, data)
    if not form.is_valid():
        return ListPage(admin=admin, form=form, status=parts.UNPROCESSABLE, narrowed=True)
    try:
        return await _understood(session, admin, form, data)
    except DBAPIError as error:
        if not took_too_long(error):
            raise
        await session.rollback()
        return ListPage(admin=admin, form=form, status=parts.UNAVAILABLE, problem=_too_long(), narrowed=True)


async def _understood(session: Session, admin: Admin, form: FilterForm, data: QueryDict) -> ListPage:
    question, problem = asked(form, data), ""
    matches = await query.matches(session, admin, question)
    within = matches.ids(parts.current(admin, question)) if matches and matches.whole else None
    try:
        rows = await query.fetch(session, admin, question, within)
    except BrokenCursor as broken:
        problem, question = str(broken), question.from_the_start()
        rows = await query.fetch(session, admin, question, within)
    counts = matches.counts() if matches else await query.bounded_counts(session, parts.counted(admin, question))
    count = counts[parts.current(admin, question)]
    return ListPage(
        admin=admin,
        form=form,
        status=parts.UNPROCESSABLE if problem else parts.OK,
        problem=problem,
        done=_done(admin, data),
        headings=parts.headings(admin, question),
        rows=[values.row(admin, instance) for instance in rows.found],
        tabs=parts.tabs(admin, question, counts),
        count=str(count),
        exact=count.exact,
        ways=_ways(admin, question, rows),
        offers=_offers(admin, question) if rows.found else [],
        exports=parts.exports(admin, question) if rows.found else [],
        params=question.params,
        narrowed=question.narrowed,
    )


def _too_long() -> str:
    return _(
        "The database gave up after %(seconds)g seconds. Ask for less: by an id, a whole value in a field, or a period."
    ) % {"seconds": settings.DB_STATEMENT_TIMEOUT}


def _ways(admin: Admin, question: Asked, rows: query.Rows) -> Ways:
    if not rows.found:
        return Ways(first=question.address() if question.beyond_the_start else "")
    keys = query.order_keys(admin, question)
    before = question.address(before=encode(keys, rows.found[0])) if rows.more_before else ""
    after = question.address(after=encode(keys, rows.found[-1])) if rows.more_after else ""
    return Ways(
        first=question.address() if before else "",
        previous=before,
        next=after,
        last=question.address(last="1") if after else "",
    )


def _offers(admin: Admin, question: Asked) -> list[parts.Offer]:
    """The actions, without those that could not apply to any row of the current filter."""
    return [parts.offer(admin, action) for action in admin.actions if action.may_apply(question.values)]


def _done(admin: Admin, data: QueryDict) -> str:
    """What was just done, said from the address; nothing for an address that was made up."""
    count = data.get("n", "")
    action = next((one for one in admin.actions if one.name == data.get("done")), None)
    if action is None or not (count.isascii() and count.isdecimal()) or len(count) > MOST_DIGITS:
        return ""
    return action.done(int(count))
