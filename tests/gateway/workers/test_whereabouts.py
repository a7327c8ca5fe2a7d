"""Where a worker is: its run directory, and the URL that other hosts are told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.workers.folder import RunDirectoryUnusable
from gateway.workers.whereabouts import advertised_url, run_directory_of


def test_the_directory_that_is_set_is_taken(tmp_path: Path) -> None:
    given = tmp_path / "given"
    environ = {"XDG_RUNTIME_DIR": str(tmp_path / "other")}
    directory = run_directory_of(str(given), environ, "a gateway")

    assert directory.parent == given
    assert directory.stat().st_mode & 0o777 == given.stat().st_mode & 0o777 == 0o700


def test_workers_of_two_gateways_do_not_meet(tmp_path: Path) -> None:
    one, again, two = (
        run_directory_of(str(tmp_path / "run"), {}, gateway) for gateway in ("1", "1", "2")
    )

    assert one == again != two


@pytest.mark.parametrize("variable", ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"])
def test_else_the_one_that_the_system_provides(tmp_path: Path, variable: str) -> None:
    directory = run_directory_of(None, {variable: str(tmp_path)}, "a gateway")

    assert directory.parent == tmp_path / "paceline"


def test_else_a_temporary_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    environ = {"RUNTIME_DIRECTORY": "", "XDG_RUNTIME_DIR": str(tmp_path / "gone")}
    directory = run_directory_of(None, environ, "a gateway")

    assert directory.parent == tmp_path / f"paceline-{os.getuid()}"


def test_one_that_others_may_enter_is_refused_wherever_it_is(tmp_path: Path) -> None:
    (tmp_path / "paceline").mkdir()
    (tmp_path / "paceline").chmod(0o777)

    with pytest.raises(RunDirectoryUnusable):
        run_directory_of(None, {"XDG_RUNTIME_DIR": str(tmp_path)}, "a gateway")


@pytest.mark.parametrize(
    ("given", "host", "redis_url", "expected"),
    [
        ("https://a.example", "0.0.0.0", None, "https://a.example"),  # noqa: S104 - is no socket
        (None, "192.0.2.7", "redis://192.0.2.1", "http://192.0.2.7:8080"),
        (None, "0.0.0.0", "redis://127.0.0.1:6379/0", "http://127.0.0.1:8080"),  # noqa: S104
        (None, "::", "redis://[::1]", "http://[::1]:8080"),
        (None, "0.0.0.0", "unix:///run/redis.sock", "http://127.0.0.1:8080"),  # noqa: S104
        (None, "worker-1", "redis://r", "http://worker-1:8080"),
        (None, "0.0.0.0", "redis://no.such.host.invalid", "http://127.0.0.1:8080"),  # noqa: S104
    ],
)
def test_other_hosts_are_told_an_address_that_leads_here(
    given: str | None, host: str, redis_url: str | None, expected: str
) -> None:
    assert advertised_url(given, host, 8080, redis_url) == expected
