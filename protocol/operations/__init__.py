"""The REST side as a table: what may be asked over HTTP, and what is answered.

Descriptions are made from it, and a test holds it against the table of URLs.
"""

from protocol.operations.operation import (
    EVENT_STREAM,
    GEOJSON,
    HEADERS,
    IDEMPOTENCY_KEY,
    IDEMPOTENCY_KEY_PATTERN,
    IF_MATCH,
    IF_NONE_MATCH,
    JSON,
    LAST_EVENT_ID,
    Operation,
    OtherBody,
    refusals_of,
)
from protocol.operations.table import OPERATIONS, shapes

__all__ = [
    "EVENT_STREAM",
    "GEOJSON",
    "HEADERS",
    "IDEMPOTENCY_KEY",
    "IDEMPOTENCY_KEY_PATTERN",
    "IF_MATCH",
    "IF_NONE_MATCH",
    "JSON",
    "LAST_EVENT_ID",
    "OPERATIONS",
    "Operation",
    "OtherBody",
    "refusals_of",
    "shapes",
]
