"""Django's hooks run in the loop where they only look at headers: a thread for each would cost more than they do."""

from typing import Any

from csp.constants import HEADER, HEADER_REPORT_ONLY
from csp.middleware import CSPMiddleware as StockCSPMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware as StockXFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware as StockCommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware as StockCsrfViewMiddleware
from django.middleware.security import SecurityMiddleware as StockSecurityMiddleware
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import cached_property

# What django-csp's decorators leave on a response.
CHANGED_BY_VIEW = {f"_csp_{what}{mode}" for what in ("exempt", "config", "update", "replace") for mode in ("", "_ro")}


class Inline(MiddlewareMixin):
    """Put before a class of Django's middleware: `class X(Inline, StockX)`. For ASGI only."""

    sync_capable = False

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase | None = None
        if hasattr(self, "process_request"):
            response = self.process_request(request)
        response = response or await self.get_response(request)  # type: ignore[misc]
        if hasattr(self, "process_response"):
            response = self.process_response(request, response)
        return response


class HeadersMiddleware(Inline):
    """The outermost: what each answer says, whoever gives it."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        for name, value in settings.ANSWER_HEADERS.items():
            response.headers.setdefault(name, value)
        return response


class SecurityMiddleware(Inline, StockSecurityMiddleware):
    pass


class CSPMiddleware(Inline, StockCSPMiddleware):
    """The policy is the same for all answers that neither change it nor use a nonce; it is built once for them."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        changed = CHANGED_BY_VIEW & vars(response).keys() or getattr(request, "_csp_nonce", None)
        if settings.DEBUG or changed or HEADER in response or self._depends_on_address:
            return super().process_response(request, response)
        for name, policy in self._policies:
            response.headers[name] = policy
        return response

    @cached_property
    def _depends_on_address(self) -> bool:
        names = ("CONTENT_SECURITY_POLICY", "CONTENT_SECURITY_POLICY_REPORT_ONLY")
        return any((getattr(settings, name, None) or {}).get("EXCLUDE_URL_PREFIXES") for name in names)

    @cached_property
    def _policies(self) -> list[tuple[str, str]]:
        request, response = HttpRequest(), HttpResponse()
        super().process_request(request)
        super().process_response(request, response)
        return [(name, response[name]) for name in (HEADER, HEADER_REPORT_ONLY) if name in response]


class CommonMiddleware(Inline, StockCommonMiddleware):
    pass


class CsrfViewMiddleware(Inline, StockCsrfViewMiddleware):
    async def process_view(self, *args: Any) -> HttpResponseBase | None:  # type: ignore[override]
        return super().process_view(*args)


class XFrameOptionsMiddleware(Inline, StockXFrameOptionsMiddleware):
    pass
