"""What is too much of a request is refused before it is kept, and the connection that brought it is closed."""

import asyncio
import tracemalloc
from typing import Any

import pytest

from qulab.lean import limits
from qulab.lean.handler import LeanHandler
from tests.lean.asgi import Exchange

TOKEN = {"cookie": f"csrftoken={'a' * 32}", "x-csrftoken": "a" * 32}
FILE = (
    b'--b\r\nContent-Disposition: form-data; name="a"; filename="f"\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n'
)
FORM = {"content-type": "application/x-www-form-urlencoded", **TOKEN}
EARLY = "content-security-policy", "x-content-type-options", "referrer-policy", "x-frame-options"


class Sender(Exchange):
    """Sends its body in pieces, and tells how many were asked for."""

    def __init__(self, pieces: list[bytes], *, stalls: bool = False, **how: Any) -> None:
        super().__init__("/healthz", method="POST", **how)
        self.asked = 0
        self._pieces = pieces
        self._stalls = stalls

    async def receive(self) -> dict[str, Any]:
        if self.asked < len(self._pieces):
            self.asked += 1
            more = self._stalls or self.asked < len(self._pieces)
            return {"type": "http.request", "body": self._pieces[self.asked - 1], "more_body": more}
        return await super().receive() if not self._stalls else await asyncio.Future()


@pytest.fixture
def lean(settings: Any) -> LeanHandler:
    settings.MAX_BODY_BYTES = 1_000
    return LeanHandler()


def assert_refused(answer: Exchange, status: int) -> None:
    assert answer.status == status
    assert answer.headers["connection"] == "close"
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert set(EARLY) <= set(answer.headers)


class TestBody:
    async def test_one_that_says_it_is_too_large_is_not_read(self, lean: LeanHandler, settings: Any) -> None:
        sender = Sender([b"x"], headers={"content-length": "1001"})

        assert_refused(await sender.with_(lean), 413)
        assert len(sender.sent[1]["body"]) > 0
        assert sender.asked == 1  # by the parting, after the answer

    async def test_one_that_does_not_say_so_is_refused_at_the_first_byte_too_many(self, lean: LeanHandler) -> None:
        assert_refused(await Sender([b"x" * 500, b"x" * 501]).with_(lean), 413)

    async def test_the_rest_is_dropped_and_not_kept(self, lean: LeanHandler) -> None:
        piece = b"x" * 65_536
        tracemalloc.start()

        sender = await Sender([piece] * 1_000).with_(lean)

        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert_refused(sender, 413)
        assert sender.asked == 1_000
        assert peak < 10 * len(piece)

    async def test_a_client_that_never_ends_is_left(self, lean: LeanHandler, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "PARTING", 0.02)

        assert_refused(await Sender([b"x" * 2_000], stalls=True).with_(lean), 413)

    async def test_the_largest_passes(self, lean: LeanHandler) -> None:
        answer = await Sender([b"x" * 500, b"x" * 500], headers={"content-length": "1000"}).with_(lean)

        assert answer.status == 403  # its token is missing: it was read

    async def test_a_slow_one_is_given_up(self, lean: LeanHandler, settings: Any) -> None:
        settings.BODY_SECONDS = 0.02

        assert_refused(await Sender([b"x"], stalls=True).with_(lean), 408)

    async def test_a_length_that_is_no_number_is_refused(self, lean: LeanHandler) -> None:
        for length in ("ten", "-1", "1_0", "١", ""):
            assert_refused(await Sender([b""], headers={"content-length": length}).with_(lean), 400)

    async def test_a_client_that_leaves_is_not_answered(self, lean: LeanHandler) -> None:
        sender = Sender([b"x"], stalls=True)

        async def leaves() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        await lean(sender.scope, leaves, sender.send)

        assert sender.sent == []


class TestHead:
    @pytest.mark.parametrize("address", ["/" + "a" * 8_192, "/?q=" + "a" * 8_190, "/%00?" + "a=1&" * 3_000])
    async def test_a_long_address_is_refused(self, lean: LeanHandler, address: str) -> None:
        assert_refused(await Exchange(address).with_(lean), 414)

    async def test_the_longest_passes(self, lean: LeanHandler) -> None:
        assert (await Exchange("/healthz?" + "a" * 8_184).with_(lean)).status == 200

    @pytest.mark.parametrize(
        "headers",
        [{"cookie": "a" * 16_384}, {"x" * 16_384: ""}, {f"x-{n}": "" for n in range(101)}],
        ids=["value", "name", "count"],
    )
    async def test_large_or_many_headers_are_refused(self, lean: LeanHandler, headers: dict[str, str]) -> None:
        assert_refused(await Exchange("/healthz", headers=headers).with_(lean), 431)

    async def test_many_pass(self, lean: LeanHandler) -> None:
        headers = {f"x-{n}": "a" * 100 for n in range(99)}

        assert (await Exchange("/healthz", headers=headers).with_(lean)).status == 200

    async def test_a_query_that_is_no_text_is_refused_with_all_headers(self, lean: LeanHandler) -> None:
        exchange = Exchange("/healthz")
        exchange.scope["query_string"] = b"q=\xff"

        assert_refused(await exchange.with_(lean), 400)


class TestForms:
    async def test_a_file_is_refused(self, lean: LeanHandler) -> None:
        headers = {"content-type": "multipart/form-data; boundary=b", "content-length": str(len(FILE)), **TOKEN}

        answer = await Exchange("/lab/forget", method="POST", body=FILE, headers=headers).with_(lean)

        assert answer.status == 400

    async def test_so_are_more_fields_than_any_form_has(self, lean: LeanHandler, settings: Any) -> None:
        settings.MAX_BODY_BYTES = 10_000

        answer = await Exchange("/lab/forget", method="POST", body=b"a=1&" * 201, headers=FORM).with_(lean)

        assert answer.status == 400

    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            ("application/x-www-form-urlencoded; charset=utf-16", b"a=1"),
            ("application/x-www-form-urlencoded", b"a&" * 201),
            ("multipart/form-data; boundary=b", FILE),
            ("multipart/form-data; boundary=\xff", b"--b--"),
            ("multipart/form-data", b"--b--"),
        ],
    )
    @pytest.mark.parametrize(
        ("address", "host", "status"),
        [("/lab/forget", "localhost", 400), ("/nowhere", "localhost", 404), ("/lab/forget", "evil.example", 400)],
    )
    async def test_one_that_cannot_be_read_is_refused_once(
        self, lean: LeanHandler, kind: str, body: bytes, address: str, host: str, status: int
    ) -> None:
        headers = {**TOKEN, "host": host, "content-length": str(len(body))}
        exchange = Exchange(address, method="POST", body=body, headers=headers)
        exchange.scope["headers"].append((b"content-type", kind.encode("latin-1")))

        answer = await exchange.with_(lean)

        assert answer.status == status
        assert "content-security-policy" in answer.headers
