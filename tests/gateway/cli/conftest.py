"""Fixtures for the tests of the command: a gateway to talk to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.toolbox.gateway_process import GatewayProcess


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("gateway"))
    process.start()
    yield process
    process.kill()
