"""This module owns the cutting of many updates into requests that the gateway takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

# Half of the gateway's limit in number, and below its limit of 1 MiB for a body.
BATCH_LIMIT_UPDATES: Final = 500
BATCH_LIMIT_BYTES: Final = 900 * 1024


def batches_of(
    updates: Sequence[bytes],
    updates_limit: int = BATCH_LIMIT_UPDATES,
    bytes_limit: int = BATCH_LIMIT_BYTES,
) -> Iterator[range]:
    """Cut a list into runs that fit one request; an update that is too large alone stands alone."""
    start, size = 0, 2
    for index, update in enumerate(updates):
        if index > start and (index - start == updates_limit or size + len(update) > bytes_limit):
            yield range(start, index)
            start, size = index, 2
        size += len(update) + 1
    if updates:
        yield range(start, len(updates))
