import pytest

from gateway.feeds.batches import BATCH_LIMIT_BYTES, BATCH_LIMIT_UPDATES, batches_of


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 3_055])
def test_batches_hold_every_update_once_and_in_order(count: int) -> None:
    batches = list(batches_of([b"{}"] * count))

    assert [index for batch in batches for index in batch] == list(range(count))
    assert all(0 < len(batch) <= BATCH_LIMIT_UPDATES for batch in batches)


def test_a_request_stays_within_its_bytes_with_brackets_and_commas() -> None:
    updates = [b"x" * 3_000] * 1_000
    batches = list(batches_of(updates))

    sizes = [len(b"[" + b",".join(updates[i] for i in batch) + b"]") for batch in batches]
    assert max(sizes) <= BATCH_LIMIT_BYTES
    assert max(sizes) > BATCH_LIMIT_BYTES - 3_001


def test_an_update_too_large_for_any_request_stands_alone() -> None:
    assert list(batches_of([b"a", b"x" * 50, b"b"], bytes_limit=20)) == [
        range(1),
        range(1, 2),
        range(2, 3),
    ]
