from typing import Any

import msgspec
import pytest
from django.core.exceptions import ImproperlyConfigured
from sqlalchemy import inspect

from accounts.models import User
from qulab.admin.declare import Admin, Sort
from qulab.admin.filters import Exact
from qulab.admin.site import Site, site
from tests.admin.conftest import Desk

NAMES = ["users", "assessments", "scores", "events", "runs", "audit"]


def changed(**fields: Any) -> Admin:
    return msgspec.structs.replace(site.get("users"), **fields)


class TestRegister:
    def test_the_apps_have_registered_their_lists(self) -> None:
        assert [admin.name for admin in site] == NAMES

    def test_a_name_or_a_model_is_registered_once(self) -> None:
        fresh = Site()
        fresh.register(site.get("users"))

        with pytest.raises(ImproperlyConfigured, match="registered already"):
            fresh.register(site.get("users"))
        with pytest.raises(ImproperlyConfigured, match="registered already"):
            fresh.register(changed(name="people"))

    def test_a_list_is_found_by_its_model_and_by_the_name_of_its_model(self) -> None:
        assert site.of(User) is site.get("users")
        assert site.named("AIRScore") is site.get("scores")
        assert site.named("Elephant") is None


class TestDeclare:
    def test_a_sort_without_an_index_is_refused(self) -> None:
        sorts = {**site.get("users").sorts, "x": Sort(User.created_at, "", "")}

        with pytest.raises(ImproperlyConfigured, match="begins an index"):
            changed(sorts=sorts)

    def test_a_sort_by_a_column_that_may_be_null_is_refused(self) -> None:
        sorts = {**site.get("users").sorts, "x": Sort(User.occupation_code, "", "")}

        with pytest.raises(ImproperlyConfigured, match="never NULL"):
            changed(sorts=sorts)

    def test_a_list_has_the_order_that_it_begins_with(self) -> None:
        with pytest.raises(ImproperlyConfigured, match="created"):
            changed(sorts={})

    @pytest.mark.parametrize("name", NAMES)
    def test_every_relationship_leads_to_a_list_that_can_be_filtered_by_it(self, name: str) -> None:
        for related in site.get(name).related:
            relationship = inspect(site.get(name).model).relationships[related]
            target = site.of(relationship.mapper.class_)
            (column,) = relationship.remote_side

            assert target is not None
            assert column.key in [one.column.key for one in target.filters if isinstance(one, Exact)]

    @pytest.mark.parametrize("name", NAMES)
    async def test_every_link_leads_to_a_list_that_understands_it(self, desk: Desk, name: str) -> None:
        for link in site.get(name).links:
            names = [field for one in site.get(link.to).filters for field in one.fields()]

            assert {*link.values, *link.attributes} <= set(names)
            assert (await desk.get(link.to)).status == 200
