"""A page is compressed whole, and padded at random against BREACH; a stream never is: each chunk would be a member."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware as StockGZipMiddleware

from qulab.lean.middleware import Inline


class PageCompressionMiddleware(Inline, StockGZipMiddleware):
    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.streaming or not response.get("Content-Type", "").startswith("text/html"):
            return response
        return super().process_response(request, response)
