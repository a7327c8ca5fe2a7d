from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.feeds.publisher import ATTEMPTS_LIMIT, Publisher
from tests.gateway.feeds.recording_gateway import RecordingGateway, error_response
from tests.toolbox.ports import free_port

Waits = list[float]
TOKEN = "t0ken"
MakePublisher = Callable[..., Publisher]


@pytest.fixture
def waits() -> Waits:
    return []


@pytest.fixture
def make_publisher(
    gateway: RecordingGateway, session: aiohttp.ClientSession, waits: Waits
) -> MakePublisher:
    async def wait(seconds: float) -> None:
        waits.append(seconds)

    def make(url: str = "", room: str = "city:paris", token: str | None = TOKEN) -> Publisher:
        return Publisher(session, url or gateway.url, room, token, sleep=wait, fraction=lambda: 0.0)

    return make


def bikes(count: int, **fields: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON
    return [{"bike_id": f"b{number}", **fields} for number in range(count)]


async def test_updates_arrive_in_order_in_requests_of_at_most_500(
    gateway: RecordingGateway, make_publisher: MakePublisher
) -> None:
    receipt = await make_publisher().publish(bikes(1_201))

    assert gateway.updates == bikes(1_201)
    assert [len(request.updates) for request in gateway.requests] == [500, 500, 201]
    assert receipt.is_all_settled
    assert receipt.accepted == 1_201
    assert receipt.trouble is None


async def test_no_request_is_larger_than_900_kib(
    gateway: RecordingGateway, make_publisher: MakePublisher
) -> None:
    receipt = await make_publisher().publish(bikes(400, note="x" * 5_000))

    assert receipt.is_all_settled
    assert max(request.size_bytes for request in gateway.requests) <= 900 * 1024


async def test_requests_carry_the_room_the_token_and_a_key_of_their_own(
    gateway: RecordingGateway, make_publisher: MakePublisher
) -> None:
    await make_publisher(room="a/b ü?#%").publish(bikes(501))

    first, second = gateway.requests
    assert first.room == second.room == "a/b ü?#%"
    assert first.authorization == "Bearer t0ken"
    assert first.key
    assert first.key != second.key


async def test_without_a_token_none_is_shown(
    gateway: RecordingGateway, make_publisher: MakePublisher
) -> None:
    await make_publisher(token=None).publish(bikes(1))

    assert gateway.requests[0].authorization is None


async def test_a_gateway_below_a_path_is_found(
    gateway: RecordingGateway, make_publisher: MakePublisher
) -> None:
    receipt = await make_publisher(url=gateway.url + "/").publish(bikes(1))

    assert receipt.is_all_settled


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_gateway_that_cannot_now_is_asked_again_with_the_same_key(
    gateway: RecordingGateway, make_publisher: MakePublisher, waits: Waits, status: int
) -> None:
    gateway.answers.extend(error_response(status, "UNAVAILABLE") for _ in range(2))

    receipt = await make_publisher().publish(bikes(2))

    assert receipt.is_all_settled
    assert len({request.key for request in gateway.requests}) == 1
    assert waits == [0.5, 1.0]


async def test_a_wish_to_wait_is_honoured_within_reason(
    gateway: RecordingGateway, make_publisher: MakePublisher, waits: Waits
) -> None:
    gateway.answers.append(error_response(503, "UNAVAILABLE", {"Retry-After": "7"}))
    gateway.answers.append(error_response(503, "UNAVAILABLE", {"Retry-After": "99999"}))

    assert (await make_publisher().publish(bikes(1))).is_all_settled
    assert waits == [7.0, 60.0]


async def test_after_some_attempts_the_rest_is_left_for_another_time(
    gateway: RecordingGateway, make_publisher: MakePublisher, waits: Waits
) -> None:
    gateway.answers.append(None)
    gateway.answers.extend(error_response(503, "UNAVAILABLE") for _ in range(ATTEMPTS_LIMIT))

    receipt = await make_publisher().publish(bikes(1_500))

    assert receipt.settled == [True] * 500 + [False] * 1_000
    assert receipt.trouble is not None
    assert "503" in receipt.trouble
    assert len(gateway.requests) == 1 + ATTEMPTS_LIMIT
    assert len(waits) == ATTEMPTS_LIMIT - 1


async def test_a_gateway_that_is_away_is_tried_a_few_times(
    make_publisher: MakePublisher, waits: Waits
) -> None:
    receipt = await make_publisher(f"http://127.0.0.1:{free_port()}").publish(bikes(1))

    assert not receipt.is_all_settled
    assert receipt.trouble is not None
    assert "cannot connect" in receipt.trouble
    assert len(waits) == ATTEMPTS_LIMIT - 1


@pytest.mark.parametrize(
    ("status", "code"), [(400, "MALFORMED"), (401, "TOKEN_INVALID"), (403, "FORBIDDEN")]
)
async def test_a_clear_no_is_not_asked_for_twice(
    gateway: RecordingGateway, make_publisher: MakePublisher, waits: Waits, status: int, code: str
) -> None:
    gateway.answers.append(error_response(status, code))

    receipt = await make_publisher().publish(bikes(1))

    assert receipt.trouble == f"HTTP status {status} {code}: as the test wants it"
    assert receipt.settled == [False]
    assert waits == []


async def test_a_redirect_does_not_get_the_token(
    gateway: RecordingGateway, make_publisher: MakePublisher
) -> None:
    moved = web.Response(status=307, headers={"Location": gateway.url + "/api/rooms/x/events"})
    gateway.answers.append(moved)

    receipt = await make_publisher().publish(bikes(1))

    assert receipt.trouble == "HTTP status 307"
    assert len(gateway.requests) == 1


@pytest.mark.parametrize(
    "body", [b"<html>hello</html>", b"", b"[]", b'{"data": []}', b'{"data": [7]}', b"[" * 100_000]
)
async def test_an_answer_that_no_gateway_gives_settles_nothing(
    gateway: RecordingGateway, make_publisher: MakePublisher, body: bytes
) -> None:
    gateway.answers.append(web.Response(body=body))

    receipt = await make_publisher().publish(bikes(1))

    assert receipt.settled == [False]
    assert receipt.trouble is not None


async def test_an_answer_without_end_is_not_read_to_its_end(
    gateway: RecordingGateway, make_publisher: MakePublisher
) -> None:
    gateway.answers.append(web.Response(body=b" " * 5_000_000))

    assert (await make_publisher().publish(bikes(1))).trouble == "the answer has no end"


async def test_a_batch_that_is_too_large_there_is_cut_until_it_fits(
    gateway: RecordingGateway, make_publisher: MakePublisher
) -> None:
    gateway.body_limit_bytes = 3_000
    updates = [*bikes(10, note="x" * 500), {"bike_id": "huge", "note": "x" * 4_000}]

    receipt = await make_publisher().publish(updates)

    assert receipt.is_all_settled
    assert receipt.refused == 1
    assert receipt.trouble == "refused: TOO_LARGE: one update is too large"
    assert gateway.bikes.keys() == {f"b{number}" for number in range(10)}


async def test_an_update_that_is_refused_for_what_it_is_is_settled(
    gateway: RecordingGateway, make_publisher: MakePublisher
) -> None:
    gateway.refused = {"b0": "MALFORMED", "b1": "UNAVAILABLE"}

    receipt = await make_publisher().publish(bikes(3))

    assert receipt.settled == [True, False, True]
    assert receipt.refused == 2
    assert receipt.trouble == "refused: MALFORMED: no"


async def test_the_room_tells_which_history_it_writes(
    gateway: RecordingGateway, make_publisher: MakePublisher
) -> None:
    publisher = make_publisher()
    await publisher.publish(bikes(1))
    first = publisher.epoch
    gateway.forget()
    await publisher.publish(bikes(1))

    assert (first, publisher.epoch) == ("one", "onex")


async def test_nothing_to_say_is_not_said(
    gateway: RecordingGateway, make_publisher: MakePublisher
) -> None:
    assert (await make_publisher().publish([])).is_all_settled
    assert gateway.requests == []
