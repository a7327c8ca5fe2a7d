"""Versions over HTTP."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.rest.preconditions import is_known, tag_of, versions_wanted


def asked(**headers: str) -> web.Request:
    return make_mocked_request(
        "GET", "/", headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def test_a_tag_is_the_version_in_quotation_marks() -> None:
    assert tag_of(7) == '"7"'


@pytest.mark.parametrize(
    ("header", "versions"),
    [
        ('"7"', {7}),
        ('"7", "8"', {7, 8}),
        ('"7","x", "08", ""', {7, 0}),
        ('W/"7"', set()),
        ('W/"7", "8"', {8}),
    ],
)
def test_if_match_gives_the_versions_that_strong_tags_are_of(
    header: str, versions: set[int]
) -> None:
    assert versions_wanted(asked(If_Match=header)) == versions


@pytest.mark.parametrize("headers", [{}, {"If_Match": "*"}, {"If_Match": " * "}])
def test_without_a_condition_any_version_will_do(headers: dict[str, str]) -> None:
    assert versions_wanted(asked(**headers)) is None


@pytest.mark.parametrize("header", ["", "7", '"7', '"7" "8"', "'7'", "W/7"])
def test_what_is_no_list_of_tags_is_of_no_version(header: str) -> None:
    assert versions_wanted(asked(If_Match=header)) == set()
    assert not is_known(asked(If_None_Match=header), 7)


@pytest.mark.parametrize(
    ("header", "known"), [('"7"', True), ('W/"7"', True), ('"6", "7"', True), ('"8"', False)]
)
def test_if_none_match_also_knows_weak_tags(header: str, *, known: bool) -> None:
    assert is_known(asked(If_None_Match=header), 7) is known


def test_without_a_copy_nothing_is_known() -> None:
    assert not is_known(asked(), 7)
    assert is_known(asked(If_None_Match="*"), 7)
