"""What is held against MobilityData's own schema of GBFS 3.0 `vehicle_status`."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft7Validator, FormatChecker

_SCHEMA: Final = (
    Path(__file__).parents[1] / "data" / "gbfs" / "v3.0" / "schema" / "vehicle_status.json"
)
_formats = FormatChecker(formats=())


@_formats.checks("date-time")
def _is_moment(value: object) -> bool:
    try:
        return dt.datetime.fromisoformat(str(value)).tzinfo is not None
    except ValueError:
        return False


_validator = Draft7Validator(json.loads(_SCHEMA.read_text()), format_checker=_formats)


def faults_of(document: Any) -> list[str]:  # noqa: ANN401 - whatever is to be held against it
    """What is wrong with a document; nothing when it is valid."""
    return [f"{fault.json_path}: {fault.message}" for fault in _validator.iter_errors(document)]
