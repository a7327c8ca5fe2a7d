import json
from pathlib import Path

import pytest

from tests.fuzz.watch import GROWTH_LIMIT_BYTES, Finding, Watch
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.strict_gateway import RIDER


def watch_over(folder: Path, *lines: object) -> Watch:
    """A watch over a gateway that has said this, and is not there."""
    gateway = GatewayProcess(folder)
    gateway.log_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Watch(gateway)


@pytest.mark.parametrize(
    "line",
    [
        {"level": "error", "event": "! event failed"},
        {"level": "warning", "exception": "Traceback (most recent call last):"},
        "Traceback (most recent call last):",
        {"level": "debug", "event": "let in", "token": RIDER},
        {"level": "debug", "room": RIDER},
    ],
    ids=lambda line: str(line)[:50],
)
def test_what_must_not_be_in_a_log_is_found(tmp_path: Path, line: object) -> None:
    watch = watch_over(tmp_path, {"level": "info"}, line)
    with pytest.raises(Finding):
        watch.check_log()
    watch.close()


def test_a_log_as_it_should_be_is_fine_and_read_once(tmp_path: Path) -> None:
    watch = watch_over(tmp_path, {"level": "warning"}, {"level": "debug", "room": RIDER[9:]})
    watch.check_log()
    watch.check_log()
    assert watch.lines == 2
    watch.close()


def test_memory_that_grows_is_found(tmp_path: Path) -> None:
    watch = watch_over(tmp_path)
    limit_mb = GROWTH_LIMIT_BYTES / 2**20
    watch.memory_mb = [60, 200, 60 + limit_mb]
    watch.check_memory()
    watch.memory_mb.append(61 + limit_mb)
    with pytest.raises(Finding):
        watch.check_memory()
    watch.close()
