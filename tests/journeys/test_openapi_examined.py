"""The REST side, examined by what it says of itself: `make schemathesis` does so for longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import StartGateway
from tests.gateway.users.backends import opened
from tests.openapi.examiner import SETTINGS, Examiner

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]

SEED = 1
EXAMPLES = 2  # of each operation, besides every border of every field
# Who may do little and who may do all; the checks ask without a token, too.
CALLERS = ("viewer", "admin")


async def test_no_caller_finds_an_answer_that_is_not_described(
    tmp_path: Path, start_gateway: StartGateway
) -> None:
    url = f"sqlite:///{tmp_path}/users.db"
    await (await opened(url)).stop()
    gateway = start_gateway(**SETTINGS, DATABASE_URL=url)
    examiner = Examiner(gateway.url, tmp_path)

    found = [examiner.examine(caller, SEED, EXAMPLES) for caller in CALLERS]

    assert [each.caller for each in found if not each.is_passed] == [], "".join(
        each.output for each in found if not each.is_passed
    )
    assert min(each.requests for each in found) > 500
    assert examiner.refusals().keys() & {"INTERNAL", "UNAVAILABLE"} == set()
    assert "Traceback" not in gateway.log
