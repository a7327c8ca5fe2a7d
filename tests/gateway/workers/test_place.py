"""What a worker tells the others of itself."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.workers.place import WorkerPlace, host_id_of, is_worker_id, new_worker_id
from tests.gateway.workers.places import place_of


def test_no_two_workers_have_the_same_id() -> None:
    ids = {new_worker_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert all(map(is_worker_id, ids))


@pytest.mark.parametrize("text", ["", "abc", "abcdefg", "../../", "abc/de", "ABCDEF", "abc.de"])
def test_what_could_be_a_path_is_no_id(text: str) -> None:
    assert not is_worker_id(text)


def test_workers_are_of_one_host_when_they_share_the_run_directory(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()

    assert host_id_of(one) == host_id_of(one)
    assert host_id_of(one) != host_id_of(two)


def test_a_newer_version_may_say_more() -> None:
    text = msgspec.json.encode(place_of("aaaaaa"))
    newer = text[:-1] + b',"mood":"good"}'

    assert msgspec.json.decode(newer, type=WorkerPlace) == place_of("aaaaaa")
