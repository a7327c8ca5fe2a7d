"""This module owns the road of a log line: from any logger, through redaction, to one stream."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable
from typing import Literal, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from gateway.logs.redaction import scrubbed_members

# At INFO they print whole packets, and with them the tokens that peers connect with; Alembic prints
# what it is about to look at, and aiosqlite, at DEBUG, each step of each statement.
_TALKATIVE = ("aiosqlite", "alembic", "engineio", "engineio.server", "socketio", "socketio.server")
_TRACES = ("exception", "stack")
# In a terminal an escape sequence from a stranger moves the cursor, a line end forges a line.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {10: "\\n"}
_CONTROLS_IN_TRACE = {code: text for code, text in _CONTROLS.items() if code not in {9, 10}}


def configure(
    log_format: Literal["auto", "console", "json"],
    level: str,
    stream: TextIO,
    on_line_dropped: Callable[[], None] = lambda: None,
) -> None:
    """Send every log line of the process to `stream`; a second call replaces the first.

    "auto" is for reading in a terminal and JSON elsewhere. `on_line_dropped` hears of each line
    that could not be written.
    """
    handler = _LineHandler(stream, on_line_dropped)
    is_console = log_format == "console" or (log_format == "auto" and stream.isatty())
    handler.setFormatter(_formatter(_console(stream) if is_console else _json()))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        # A level of its own also keeps engineio from adding a handler of its own.
        logger.setLevel(max(logging.WARNING, logging.getLogger().level))
        logger.handlers.clear()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def let_go(stream: TextIO) -> None:
    """Give up what cannot be written: with it Python would end with a status of its own, 120."""
    if stream.closed:
        return
    try:
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def escaped_lines(text: str) -> str:
    """Lines for a terminal, which obeys nothing in them but their ends and tabs."""
    return text.translate(_CONTROLS_IN_TRACE)


class _LineHandler(logging.Handler):
    """Writes lines, and never raises: structlog's own loggers do when the disk is full."""

    def __init__(self, stream: TextIO, on_line_dropped: Callable[[], None]) -> None:
        super().__init__()
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        self._stream = stream
        self._on_line_dropped = on_line_dropped

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._stream.write(self.format(record) + "\n")
            self._stream.flush()
        except Exception:  # noqa: BLE001 - whatever it is, the caller has better things to do
            self._on_line_dropped()


def _formatter(renderer: list[Processor]) -> logging.Formatter:
    # All of it happens inside the handler, where an error costs one line and not the caller.
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _redact,
            *renderer,
        ]
    )


def _redact(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    return scrubbed_members(line)


def _json() -> list[Processor]:
    return [structlog.processors.JSONRenderer(serializer=_json_of)]


def _json_of(line: EventDict, **_options: object) -> str:
    first = {name: line.pop(name, None) for name in ("timestamp", "level", "logger", "event")}
    return msgspec.json.encode({**first, **line}).decode()


def _console(stream: TextIO) -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(
        colors=stream.isatty(),
        # Richer tracebacks show local variables, and among those there are secrets.
        exception_formatter=structlog.dev.plain_traceback,
    )
    return [_escape_controls, renderer]


def _escape_controls(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    return {name.translate(_CONTROLS): _escaped(value, name) for name, value in line.items()}


def _escaped(value: object, name: str) -> object:
    if not isinstance(value, str):
        return value  # lists and dictionaries are shown as their repr, which escapes
    return escaped_lines(value) if name in _TRACES else value.translate(_CONTROLS)
