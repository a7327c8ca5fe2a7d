"""The command: `python -m tests.openapi --requests 10000 --seed 1`.

A gateway in production mode over PostgreSQL is examined as every caller, with seed after seed,
until there have been so many requests. At the end there is a table; the exit status is 1 when
anything was found.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.gateway.users.backends import opened
from tests.openapi.examiner import CALLERS, SETTINGS, Examination, Examiner
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.postgres_server import PostgresServer
from tests.toolbox.programs import REPOSITORY

_FOLDER: Final = REPOSITORY / "reports" / "openapi"
_EXAMPLES: Final = 50  # of each operation, in each round of the callers


def _tell(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def _examine(folder: Path, url: str, seed: int, wanted: int) -> list[Examination]:
    examiner, found = Examiner(url, folder), list[Examination]()
    for number in itertools.count(seed):
        for caller in CALLERS:
            each = examiner.examine(caller, number, _EXAMPLES)
            found.append(each)
            said = "nothing found" if each.is_passed else "FOUND"
            _tell(f"seed {number} {caller:9} {each.requests:6} in {each.seconds:5.0f} s: {said}")
            if not each.is_passed:
                (folder / f"{caller}-{number}.txt").write_text(each.output)
                _tell(each.output)
        if sum(each.requests for each in found) >= wanted:
            break
    _tell(f"refusals: {examiner.refusals()}")
    return found


def main() -> int:
    """Read the arguments, examine, and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.openapi")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder = _FOLDER / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(parents=True)
    server = PostgresServer(Path(tempfile.mkdtemp(prefix="paceline-postgres-")))
    server.start()
    url = server.create_database("examined")
    gateway = GatewayProcess(folder, **SETTINGS, DATABASE_URL=url)
    try:
        asyncio.run(_migrate(url))
        gateway.start()
        found = _examine(folder, gateway.url, arguments.seed, arguments.requests)
        is_calm = "Traceback" not in gateway.log and gateway.stop() == 0
    finally:
        gateway.kill()
        server.remove()
    total = sum(each.requests for each in found)
    is_passed = is_calm and all(each.is_passed for each in found)
    _tell(
        f"{total} requests: {'nothing found' if is_passed else 'SOMETHING FOUND'}; all in {folder}"
    )
    return 0 if is_passed else 1


async def _migrate(url: str) -> None:
    await (await opened(url)).stop()


if __name__ == "__main__":
    sys.exit(main())
