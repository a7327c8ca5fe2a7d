import asyncio
import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import engineio
import pytest
import socketio
import structlog

from gateway.logs import configure, let_go

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.4pcPyMD09olPSyXnrXCjTw"
PASSWORD = "hunter2"  # by name: a traceback shows source lines
_LIBRARIES = ("aiosqlite", "engineio", "engineio.server", "socketio", "socketio.server")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    # Taken off before `configure` could close them: they are pytest's own.
    root.handlers.clear()
    levels = {name: logging.getLogger(name).level for name in _LIBRARIES}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def logger() -> structlog.stdlib.BoundLogger:
    found: structlog.stdlib.BoundLogger = structlog.get_logger("paceline.test")
    return found


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def json_stream(level: str = "INFO") -> io.StringIO:
    stream = io.StringIO()
    configure("json", level, stream)
    return stream


# ---- form


def test_elsewhere_than_in_a_terminal_a_line_is_one_json_object() -> None:
    stream = io.StringIO()
    configure("auto", "INFO", stream)
    logger().bind(peer="p1", room="city:paris").info("peer_joined", members=3)
    (line,) = lines_of(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "peer_joined",
        "level": "info",
        "logger": "paceline.test",
        "peer": "p1",
        "room": "city:paris",
        "members": 3,
    }


def test_in_a_terminal_a_line_is_for_reading() -> None:
    stream = Terminal()
    configure("auto", "INFO", stream)
    logger().info("peer_joined", room="city:paris")
    assert "peer_joined" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_what_is_bound_to_a_request_stands_on_every_line_of_it() -> None:
    stream = json_stream()
    with structlog.contextvars.bound_contextvars(request="r-1"):
        logger().info("first")
        logging.getLogger("aiohttp.access").info("second")
    logger().info("third")
    assert [line.get("request") for line in lines_of(stream)] == ["r-1", "r-1", None]


def test_lines_below_the_level_are_not_written() -> None:
    stream = json_stream("WARNING")
    logger().info("no")
    logger().warning("yes")
    logging.getLogger("aiohttp").info("no")
    assert [line["event"] for line in lines_of(stream)] == ["yes"]


def test_a_second_configuration_replaces_the_first() -> None:
    first, second = json_stream(), json_stream()
    logger().info("once")
    assert first.getvalue() == ""
    assert len(lines_of(second)) == 1


# ---- libraries


def test_lines_of_libraries_take_the_same_road() -> None:
    stream = json_stream()
    logging.getLogger("aiohttp.server").error("Error handling %s of %s", "request", "192.0.2.1")
    (line,) = lines_of(stream)
    assert line["event"] == "Error handling request of 192.0.2.1"
    assert (line["level"], line["logger"]) == ("error", "aiohttp.server")


async def test_asyncio_reports_on_the_same_road() -> None:
    stream = json_stream()
    asyncio.get_running_loop().call_exception_handler({"message": "Task was destroyed"})
    assert [line["logger"] for line in lines_of(stream)] == ["asyncio"]


@pytest.mark.parametrize("wants_logs", [True, False])
def test_socketio_and_engineio_do_not_print_packets_even_when_told_to(*, wants_logs: bool) -> None:
    stream = json_stream("DEBUG")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = socketio.AsyncServer(
            async_mode="aiohttp", logger=wants_logs, engineio_logger=wants_logs
        )
    server.logger.info("received packet %s", JWT)
    engineio.base_server.default_logger.info("received packet %s", JWT)
    assert stream.getvalue() == ""
    server.logger.warning("careful")
    assert [line["event"] for line in lines_of(stream)] == ["careful"]


def test_libraries_obey_a_level_above_warning() -> None:
    stream = json_stream("ERROR")
    logging.getLogger("engineio.server").warning("careful")
    assert stream.getvalue() == ""


# ---- secrets


def test_no_secret_reaches_the_stream() -> None:
    for log_format in ("json", "console"):
        stream = io.StringIO()
        configure(log_format, "INFO", stream)
        logger().info("refused", token="hunter2", headers={"Authorization": "hunter2"})
        logger().info(f"refused {JWT}", why=[JWT])
        logging.getLogger("aiohttp").warning("GET /?token=hunter2 %s", JWT)
        assert "hunter2" not in stream.getvalue()
        assert "eyJzdWIi" not in stream.getvalue()
        assert stream.getvalue().count("\n") == 3


def _fail_with(password: str) -> None:
    raise ValueError(f"cannot read {JWT}", len(password))


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_is_written_without_secrets_and_without_local_variables(
    log_format: Any,  # noqa: ANN401 - the literal that configure wants
) -> None:
    stream = io.StringIO()
    configure(log_format, "INFO", stream)
    try:
        _fail_with(PASSWORD)
    except ValueError:
        logger().exception("bug")
        logging.getLogger("aiohttp").exception("Error handling request")
    assert stream.getvalue().count("Traceback (most recent call last)") == 2
    assert "cannot read [redacted]" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_a_stranger_cannot_forge_a_line_or_move_the_cursor() -> None:
    stream = Terminal()
    configure("console", "INFO", stream)
    logger().info("joined\n2026-01-01 [info] forged", room="\x1b[2J\x9b0m")
    logging.getLogger("aiohttp").info("bad request %s", "\r\n\x1b]0;title\x07")
    text = stream.getvalue()
    assert text.count("\n") == 2
    assert "\x1b[2J" not in text
    assert "\x1b]0" not in text
    assert "\x9b" not in text
    assert "\r" not in text


# ---- never in the way


def test_a_full_disk_costs_lines_and_nothing_else() -> None:
    dropped: list[None] = []
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - closing it fails, too
    configure("json", "INFO", full, lambda: dropped.append(None))
    for number in range(500):
        logger().info("line", number=number)
        logging.getLogger("aiohttp").info("line")
    assert len(dropped) == 1000
    with contextlib.suppress(OSError):
        full.close()


def test_what_could_not_be_written_is_given_up_at_the_end() -> None:
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - closed below
    full.write("line")
    let_go(full)
    full.close()


def test_after_a_disk_was_full_lines_are_written_again() -> None:
    class Disk(io.StringIO):
        is_full = False

        def write(self, text: str) -> int:
            if self.is_full:
                raise OSError(28, "No space left on device")
            return super().write(text)

    disk, dropped = Disk(), list[None]()
    configure("json", "INFO", disk, lambda: dropped.append(None))
    logger().info("before")
    disk.is_full = True
    logger().info("during")
    disk.is_full = False
    logger().info("after")
    assert [line["event"] for line in lines_of(disk)] == ["before", "after"]
    assert len(dropped) == 1


def test_a_closed_stream_or_a_line_that_makes_no_sense_is_dropped_and_counted() -> None:
    dropped: list[None] = []
    stream = io.StringIO()
    configure("json", "INFO", stream, lambda: dropped.append(None))
    logging.getLogger("aiohttp").info("%d of %d", *["one"])
    logger().info("%d of %d", "one")
    stream.close()
    logger().info("late")
    assert len(dropped) == 3


def test_no_value_is_too_strange_to_be_written(tmp_path: Path) -> None:
    path = tmp_path / "log"
    dropped: list[None] = []
    with path.open("w", encoding="ascii") as stream:
        configure("json", "INFO", stream, lambda: dropped.append(None))
        cycle: dict[str, object] = {}
        cycle["self"] = cycle
        logger().info(
            "strange",
            surrogate="\ud800",
            accent="é",
            huge=10**400,
            nan=float("nan"),
            cycle=cycle,
            items={1, 2},
            error=ValueError("x"),
        )
    assert dropped == []
    (line,) = path.read_text(encoding="ascii").splitlines()
    assert json.loads(line.replace("\\xe9", "e"))["nan"] is None
