from collections.abc import Callable
from pathlib import Path

import pytest

from protocol.generate import GENERATED, REPOSITORY, write_all


@pytest.mark.parametrize(("name", "text_of"), GENERATED.items())
def test_what_is_generated_is_up_to_date(name: str, text_of: Callable[[], str]) -> None:
    committed = (REPOSITORY / name).read_text(encoding="utf-8")

    assert committed == text_of(), f"{name} is stale: run `make generate`"


def test_only_what_is_stale_is_written(tmp_path: Path) -> None:
    assert write_all(tmp_path) == list(GENERATED)
    assert write_all(tmp_path) == []

    stale = next(iter(GENERATED))
    (tmp_path / stale).write_text("old")

    assert write_all(tmp_path) == [stale]
    assert (tmp_path / stale).read_text() == GENERATED[stale]()
