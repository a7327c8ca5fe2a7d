"""This module owns the report."""
from datetime import UTC, datetime
import msgspec
def write(results, folder):
    folder.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    f = folder / f"{stamp}.json"
    f.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    return f, f
