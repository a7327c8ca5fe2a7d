"""`python -m tests.journeys.ledger --seed 1 --minutes 5 --runs 1`: the long version of the ledger.

Prints tables; its exit status is 1 when a promise was broken, and then it keeps the records.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.journeys.ledger import campaign
from tests.journeys.ledger.table import tables_of
from tests.journeys.ledger.verdict import Verdict


def main() -> int:
    parser = argparse.ArgumentParser(prog="make ledger", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first run")
    parser.add_argument("--minutes", type=float, default=5.0, help="for each run")
    parser.add_argument("--runs", type=int, default=1, help="with one seed after the other")
    options = parser.parse_args()
    # whoever ends this does not leave a fleet behind
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    verdicts: dict[int, Verdict] = {}
    for seed in range(options.seed, options.seed + options.runs):
        folder = Path(tempfile.mkdtemp(prefix=f"ledger-{seed}-"))
        verdict = asyncio.run(campaign.run(folder, seed, options.minutes * 60))
        verdicts[seed] = verdict
        _say(f"seed {seed}: {len(verdict.anomalies)} anomalies, {len(verdict.faults)} faults")
        if verdict.anomalies:
            for anomaly in verdict.anomalies[:20]:
                _say(f"    {anomaly.kind}, {anomaly.at:.3f}: {anomaly.sentence}")
            _say(f"    the records are in {folder}")
        else:
            shutil.rmtree(folder)
    _say("")
    _say(tables_of(verdicts))
    return int(any(verdict.anomalies for verdict in verdicts.values()))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
