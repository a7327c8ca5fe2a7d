"""This module owns a real PostgreSQL server for tests: it may be killed and brought back."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.toolbox import programs
from tests.toolbox.ports import free_port

_START_SECONDS = 30.0
_START_ATTEMPTS = 5
_USER = "paceline"
_UNPRIVILEGED = "nobody"
# Nobody pulls the plug of a test: what was handed to the system survives every end of the server.
_FORGETFUL = ("fsync=off", "full_page_writes=off")


class PostgresServer:
    """A server on a free port of 127.0.0.1, its data in a folder of its own.

    PostgreSQL refuses to run as root; then it runs as `nobody`, to whom the folder is given, and
    which therefore has to be below folders that everybody may enter.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._user = _UNPRIVILEGED if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process_id(self) -> int:
        return self._running().pid

    def url_of(self, database: str) -> str:
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Return when it takes connections; move to another port if somebody took this one."""
        if not self._data.exists():
            self._make_cluster()
        for _ in range(_START_ATTEMPTS):
            if self._starts():
                return
            self.port = free_port()
        raise RuntimeError(f"PostgreSQL does not start:\n{self._log()}")

    def create_database(self, name: str) -> str:
        """An empty database, made from nothing; its URL."""
        command = [str(programs.postgres("createdb")), "-h", "127.0.0.1", "-p", str(self.port)]
        subprocess.run(
            [*command, "-U", _USER, "-T", "template0", name], check=True, cwd=self.folder
        )
        return self.url_of(name)

    def stop(self) -> None:
        """SIGINT, its "fast shutdown": connections are closed. Harmless when it is down."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        """SIGQUIT, its "immediate shutdown": no good-bye to anybody. Harmless when it is down.

        SIGKILL would leave its children behind, who hold on to the port and the memory.
        """
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Bring it back on the same port."""
        self.kill()
        if not self._starts():
            raise RuntimeError(f"PostgreSQL does not come back:\n{self._log()}")

    def remove(self) -> None:
        """Kill it and delete its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make_cluster(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._user is not None:
            owner = pwd.getpwnam(self._user)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        initdb = [str(programs.postgres("initdb")), "-D", str(self._data), "-U", _USER]
        options = ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        done = subprocess.run(
            [*initdb, *options],
            user=self._user,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")

    def _starts(self) -> bool:
        settings = [*_FORGETFUL, f"unix_socket_directories={self.folder}", "max_connections=100"]
        options = [word for setting in settings for word in ("-c", setting)]
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    str(programs.postgres("postgres")),
                    *("-D", str(self._data), "-h", "127.0.0.1", "-p", str(self.port)),
                    *options,
                ],
                user=self._user,
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + _START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            if "ready to accept connections" in self._log() and self._is_listening():
                return True
            time.sleep(0.02)
        self.kill()
        return False

    def _is_listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _log_path(self) -> Path:
        return self.folder / "postgres.log"

    def _log(self) -> str:
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise RuntimeError("PostgreSQL is not running")
        return self._process
