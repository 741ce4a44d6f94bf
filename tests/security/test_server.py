"""What a real server answers in the open: only over TLS, only under its name, only so much, and with no more said."""

import json
import time
from urllib.parse import urlencode

import pytest

from tests.access.people import PASSWORD

from .production import HOST, OVER_TLS, Answer, Server

SIGN_IN = "/accounts/sign-in"
LARGE = b"x" * 5_000_000


def attributes(cookie: str) -> set[str]:
    return {part.strip() for part in cookie.split(";")[1:]}


def send(server: Server, path: str, cookies: list[str], fields: dict[str, str]) -> Answer:
    """A form, as a browser sends one that stands on a page over TLS."""
    [secret] = [one.partition("=")[2] for one in cookies if one.startswith("__Host-qulab-csrf=")]
    headers = {
        **OVER_TLS,
        "Cookie": "; ".join(cookies),
        "Referer": f"https://{HOST}{path}",
        "Content-Type": "application/x-www-form-urlencoded",
        "X-CSRFToken": secret,
    }
    return server.ask(path, method="POST", body=urlencode(fields).encode(), headers=headers)


class TestTransport:
    def test_what_comes_without_tls_is_sent_to_it(self, server: Server) -> None:
        answer = server.ask(f"{SIGN_IN}?next=%2F", headers={})

        assert answer.status == 301
        assert answer.headers["location"] == f"https://{HOST}{SIGN_IN}?next=%2F"
        assert "strict-transport-security" not in answer.headers

    @pytest.mark.parametrize("address", ["/healthz", "/readyz", "/metrics"])
    def test_probes_need_none(self, server: Server, address: str) -> None:
        assert server.ask(address, headers={}).status != 301

    @pytest.mark.parametrize("address", [SIGN_IN, "/healthz", "/nowhere", "/static/qulab/css/qulab.css"])
    def test_over_tls_each_answer_asks_for_it_from_then_on(self, server: Server, address: str) -> None:
        answer = server.ask(address)

        assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains; preload"

    def test_another_name_is_refused(self, server: Server) -> None:
        for headers in ({}, {"X-Forwarded-Proto": "https"}, {"X-Forwarded-Host": HOST}):
            answer = server.ask(SIGN_IN, headers={**headers, "Host": "evil.example"})

            assert answer.status == 400
            assert answer.headers["x-frame-options"] == "DENY"


class TestCookies:
    def test_that_of_the_forms_is_bound_to_host_and_tls(self, server: Server) -> None:
        [cookie] = server.ask(SIGN_IN).cookies

        assert cookie.startswith("__Host-qulab-csrf=")
        assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/"} <= attributes(cookie)
        assert not any(one.lower().startswith("domain") for one in attributes(cookie))

    def test_so_is_that_of_a_session_from_its_first_answer_to_its_last(self, server: Server) -> None:
        page = server.ask("/accounts/sign-up")
        jar = [page.cookies[0].partition(";")[0]]
        given = {"name": "A Person", "email": "person@example.com", "new": PASSWORD, "again": PASSWORD}

        entered = send(server, "/accounts/sign-up", jar, given)
        [session] = [one for one in entered.cookies if one.startswith("__Host-qulab-session=")]
        renewed = [one.partition(";")[0] for one in entered.cookies]
        left = send(server, "/accounts/sign-out", renewed, {})

        assert entered.status in {302, 303}
        assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/"} <= attributes(session)
        [over] = [one for one in left.cookies if one.startswith("__Host-qulab-session=")]
        assert {"Secure", "SameSite=Lax", "Path=/", "Max-Age=0"} <= attributes(over)


class TestSizes:
    def test_a_large_body_is_refused_and_its_sender_reads_why(self, server: Server) -> None:
        answer = server.ask(SIGN_IN, method="POST", body=LARGE)

        assert answer.status == 413
        assert answer.headers["connection"] == "close"
        assert answer.body == b"The body is larger than 262,144 bytes.\n"

    def test_so_is_one_in_chunks_and_what_follows_is_no_second_request(self, server: Server) -> None:
        with server.socket() as line:
            line.sendall(f"POST {SIGN_IN} HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            line.sendall(b"493e0\r\n" + b"x" * 300_000 + b"\r\n0\r\n\r\n")
            line.sendall(f"GET /healthz HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            received = b""
            while piece := line.recv(65_536):
                received += piece

        assert received.startswith(b"HTTP/1.1 413")
        assert received.count(b"HTTP/1.1 ") == 1

    def test_large_headers_are_refused(self, server: Server) -> None:
        assert server.ask("/healthz", headers={"X-Large": "a" * 20_000}).status == 431


class TestErrors:
    def test_tell_nothing_of_the_inside(self, server: Server) -> None:
        for address in ("/nowhere", "/admin/nothing", "/lab/source/qulab/settings.py"):
            text = server.ask(address).body.decode()

            assert "Traceback" not in text
            assert "urlpatterns" not in text

    def test_the_state_of_the_parts_shows_no_address_of_a_server(self, server: Server) -> None:
        assert "://" not in json.dumps(json.loads(server.ask("/readyz").body))


class TestLog:
    def test_has_neither_queries_nor_tokens_nor_whole_addresses_of_callers(self, server: Server) -> None:
        paths = ["/accounts/reset/canaryuser/canarytoken", "/nowhere/canary%40example.com", f"{SIGN_IN}?next=/canary"]
        for path in paths:
            server.ask(path)
        server.ask("/marker")

        deadline = time.monotonic() + 5
        while "/marker" not in server.output and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "203.0.113.0/24" in server.output
        assert "203.0.113.9" not in server.output
        assert f'"GET {SIGN_IN} HTTP/1.1"' in server.output
        assert "canary" not in server.output
