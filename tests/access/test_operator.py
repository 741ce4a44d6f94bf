"""Who passes for the operator at this machine, and who does not."""

from typing import Any

import pytest
from django.test import AsyncRequestFactory

from qulab.access.operator import FORWARDING, comes_from_here, is_operator
from qulab.access.person import person_of


def request(peer: str | None = "127.0.0.1", host: str = "localhost:8000", path: str = "/", **headers: str) -> Any:
    given = {"host": host, **headers}
    encoded = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in given.items()]
    return AsyncRequestFactory().request(client=[peer, 1] if peer else None, headers=encoded, path=path)


class TestComesFromHere:
    @pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
    @pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST"])
    def test_on_this_machine(self, peer: str, host: str) -> None:
        assert comes_from_here(request(peer, host))

    @pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.0.7", "::2", "::ffff:192.0.2.1", "unix:", "0.0.0.0", None])
    def test_not_for_another_machine(self, peer: str | None) -> None:
        assert not comes_from_here(request(peer))

    @pytest.mark.parametrize(
        "host", ["example.com", "localhost.example.com", "127.0.0.1.example.com", "0.0.0.0", "", "["]
    )
    def test_not_under_another_name(self, host: str) -> None:
        assert not comes_from_here(request(host=host))

    @pytest.mark.parametrize("header", FORWARDING)
    def test_not_through_a_proxy(self, header: str) -> None:
        assert not comes_from_here(request(**{header.replace("-", "_"): "127.0.0.1"}))


class TestOperator:
    def test_is_trusted_only_where_the_settings_say_so(self, settings: Any) -> None:
        settings.LOCAL_OPERATOR = False
        assert not is_operator(request())

        settings.LOCAL_OPERATOR = True
        assert is_operator(request())

    def test_is_staff_without_an_id(self, settings: Any) -> None:
        settings.LOCAL_OPERATOR = True
        person = person_of(request())

        assert person is not None
        assert person.is_staff
        assert person.actor is None

    def test_nobody_asks_without_a_request(self) -> None:
        assert person_of(None) is None
