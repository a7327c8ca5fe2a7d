"""The table of limits, and what settings make of it."""

from __future__ import annotations

from gateway.quotas.policies import TABLE, policies_of
from gateway.settings import Settings
from protocol.paces import PACES
from tests.toolbox.programs import REPOSITORY


def test_each_class_of_requests_has_one_limit() -> None:
    assert tuple(policy.name for policy in TABLE) == PACES


def test_where_one_proves_who_one_is_a_token_is_no_way_to_more_tries() -> None:
    assert {policy.name for policy in TABLE if policy.is_of_network} == {
        "sign-in",
        "refresh",
        "page",
    }


def test_settings_change_a_limit_or_take_it_away_and_the_last_one_counts() -> None:
    policies = policies_of(Settings(rate_limits=("all=off", "read=5/60", "write=1/1", "write=off")))

    assert [(row.name, row.quota, row.window_seconds) for row in policies.values()] == [
        ("read", 5, 60)
    ]


def test_a_limit_keeps_what_it_counts_by() -> None:
    assert policies_of(Settings(rate_limits=("sign-in=5/60",)))["sign-in"].is_of_network


def test_the_documentation_has_the_table() -> None:
    page = (REPOSITORY / "docs" / "reference" / "limits.md").read_text()
    rows = [f"| `{row.name}` | {row.quota:,} in {row.window_seconds} s |" for row in TABLE]
    assert [row for row in rows if row not in page] == []
