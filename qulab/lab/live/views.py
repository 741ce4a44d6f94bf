"""`/live`: one answer that stays open as long as the tab is in view."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from qulab.lab import bounds, ownership
from qulab.lab.live.hub import TooManyStreams
from qulab.lab.live.hubs import hubs
from qulab.lab.live.stream import events
from qulab.lab.live.topics import UnknownTopic, asked, granted

# Neither a cache nor a proxy may keep, change or collect what passes.
HEADERS = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
TEXT = "text/plain; charset=utf-8"
RETRY_SECONDS = "5"


@require_GET
async def live(request: HttpRequest) -> HttpResponseBase:
    try:
        topics = asked(request.GET.get("topics", ""))
    except UnknownTopic as unknown:
        return HttpResponse(_(str(unknown)), status=400, content_type=TEXT)
    hub, address = hubs.get(), bounds.address(request)
    if hub.is_full:
        return _full(503)
    if address and hub.streams_of(address) >= bounds.MOST_STREAMS:
        return _full(429)
    heard = granted(topics, of_all=ownership.sees_all(request))
    is_for_all = settings.LAB == "open" and (ownership.owns_rows() or heard == topics)
    stream = events(hub, heard, address, is_for_all=is_for_all)
    return StreamingHttpResponse(stream, content_type="text/event-stream", headers=HEADERS)


def _full(status: int) -> HttpResponse:
    response = HttpResponse(_(str(TooManyStreams.__doc__)), status=status, content_type=TEXT)
    response["Retry-After"] = RETRY_SECONDS
    response._has_been_logged = True  # type: ignore[attr-defined]  # it is no error of ours
    return response
