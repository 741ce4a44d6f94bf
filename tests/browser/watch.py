"""What must never happen on any page: an error or warning in the console, a request that fails or leaves this origin,
a violation of the content security policy, an answer that says the server failed."""

from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request, Response, WebError

# The policy's reports as the page sees them; the browser's own are in the console, also without JavaScript.
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP ${event.effectiveDirective}: ${event.blockedURI} at ${event.sourceFile}:${event.lineNumber}`));
"""


# What a form is refused with: htmx puts the answer into the page, and the browser notes its status all the same.
REFUSALS = {409, 422, 429}


class Watch:
    """Listens to every page of a browser context, from before its first request."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.statuses: dict[str, int] = {}  # of documents, and of forms that were refused in place, by address
        self._documents: dict[Page, int] = {}
        self._files: set[str] = set()  # addresses of what was saved: the browser ends its way to them
        self.server_may_fail = False  # for the tests of the page that says so
        self._origin: str | None = None

    async def listen(self, context: BrowserContext) -> None:
        context.on("console", self._console)
        context.on("weberror", self._web_error)
        context.on("request", self._request)
        context.on("requestfailed", self._failed)
        context.on("response", self._response)
        await context.add_init_script(REPORT_VIOLATIONS)

    def status_of(self, page: Page) -> int:
        """Of the document that the page shows."""
        return self._documents[page]

    def raise_for_problems(self) -> None:
        assert not self.problems, "\n".join(self.problems)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning", "assert"} and not self._tells_the_status(message):
            self.problems.append(f"console {message.type}: {message.text} ({message.location.get('url')})")

    def _tells_the_status(self, message: ConsoleMessage) -> bool:
        """The browser's note that a document, as it should, came with 4xx."""
        address = str(message.location.get("url")).partition("#")[0]
        return message.text.startswith("Failed to load resource") and address in self.statuses

    def _web_error(self, error: WebError) -> None:
        self.problems.append(f"uncaught: {error.error}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        origin = f"{parts.scheme}://{parts.netloc}"
        self._origin = self._origin or origin
        if origin != self._origin and parts.scheme not in {"data", "about"}:
            self.problems.append(f"asked somebody else: {request.url}")

    def _failed(self, request: Request) -> None:
        aborted = request.failure == "net::ERR_ABORTED"
        if not (aborted and (request.url in self._files or not request.is_navigation_request())):
            self.problems.append(f"failed: {request.method} {request.url}: {request.failure}")

    def _response(self, response: Response) -> None:
        if response.headers.get("content-disposition", "").startswith("attachment"):
            self._files.add(response.url)
        if response.request.is_navigation_request():
            self.statuses[response.url.partition("#")[0]] = response.status
            self._documents[response.frame.page] = response.status
        elif "hx-request" in response.request.headers and response.status in REFUSALS:
            self.statuses[response.url] = response.status
        elif response.status >= 400:
            self.problems.append(f"{response.status}: {response.url}")
        if response.status >= 500 and not self.server_may_fail:
            self.problems.append(f"{response.status}: {response.request.method} {response.url}")
