"""This module owns whether there are traces: off, and nothing of them built, by default.

The names in the environment are OpenTelemetry's own, as every other program of an operator has
them; its SDK reads the rest of them (headers, certificates, resource, queue) by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from gateway.settings import SettingsInvalid

if TYPE_CHECKING:
    from gateway.traces.spans import Traces

_NOT_INSTALLED: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed: "
    "pip install 'paceline[otel]', or unset it."
)
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def are_wanted(environ: Mapping[str, str]) -> bool:
    """Whether somebody is named who takes traces, and they are not switched off."""
    is_disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    has_exporter = environ.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() != "none"
    return any(map(environ.get, _ENDPOINTS)) and has_exporter and not is_disabled


def traces_of(environ: Mapping[str, str], worker_id: str) -> Traces | None:
    """The traces of a worker, if they are wanted. Raises `SettingsInvalid` without the SDK."""
    if not are_wanted(environ):
        return None
    try:
        from gateway.traces.spans import Traces  # noqa: PLC0415 - an extra that few install
    except ImportError as missing:
        raise SettingsInvalid([_NOT_INSTALLED]) from missing
    return Traces(worker_id, is_sampler_set=bool(environ.get("OTEL_TRACES_SAMPLER")))
