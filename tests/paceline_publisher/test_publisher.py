"""What a publisher makes of each answer, from a server that answers as it is told."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from paceline_publisher import AsyncPublisher, Event, Publisher, Receipt, Refused, Unanswered
from tests.paceline_publisher.scripted_server import Answer, scripted, taken

BIKE = {"bike_id": "7"}


def no(status: int, code: str, **headers: str) -> Answer:
    body = {"error": {"code": code, "message": "because", "details": {"limitItems": 3}}}
    return status, headers, json.dumps(body)


def keys_of(request: list[dict[str, Any]]) -> list[str]:
    return [event["idempotencyKey"] for event in request]


def test_one_connection_serves_all_requests_and_carries_the_newest_token() -> None:
    tokens = iter(["first", "second"])
    with scripted() as server, Publisher(server.url, lambda: next(tokens)) as publisher:
        receipts = [publisher.update("r", BIKE), publisher.publish("r", "ring", None)]

    assert [type(receipt) for receipt in receipts] == [Receipt, Receipt]
    assert server.connections == 1
    assert server.authorizations == ["Bearer first", "Bearer second"]
    assert [(event["event"], event["data"]) for (event,) in server.requests] == [
        ("bike-update", BIKE),
        ("ring", None),
    ]


@pytest.mark.parametrize(
    "trouble",
    [
        lambda _: no(503, "UNAVAILABLE", **{"Retry-After": "0"}),
        lambda _: no(429, "TOO_FAST", **{"Retry-After": "0"}),
        lambda _: (502, {}, "<h1>Bad gateway"),
        lambda _: None,
        lambda _: (200, {"Content-Length": "99", "Connection": "close"}, '{"data": ['),
        lambda events: (
            200,
            {},
            json.dumps({"data": [{"error": {"code": "UNAVAILABLE"}}] * len(events)}),
        ),
    ],
    ids=[
        "unavailable",
        "too fast",
        "a balancer",
        "no answer",
        "half an answer",
        "each one unavailable",
    ],
)
def test_what_may_succeed_later_is_sent_again_under_its_key(trouble: Any) -> None:  # noqa: ANN401 - a script
    with scripted(trouble) as server, Publisher(server.url) as publisher:
        publisher.update("r", BIKE, key="my-own")

    assert [keys_of(request) for request in server.requests] == [["my-own"], ["my-own"]]


def test_only_what_is_not_settled_is_sent_again() -> None:
    def in_part(events: list[dict[str, Any]]) -> Answer:
        forbidden = {"error": {"code": "FORBIDDEN", "message": "no"}}
        told = [{"roomId": "r", "cursor": "c"}, {"error": {"code": "UNAVAILABLE"}}, forbidden]
        return 200, {}, json.dumps({"data": told[: len(events)]})

    events = [Event("ring", number) for number in range(3)]
    with scripted(in_part) as server, Publisher(server.url) as publisher:
        first, second, third = publisher.publish_many("r", events)

    assert (first, second) == (Receipt("r", "c"), Receipt("r", events[1].key))
    assert isinstance(third, Refused)
    assert third.code == "FORBIDDEN"
    assert [keys_of(request) for request in server.requests][1:] == [[events[1].key]]


def test_a_no_to_everything_says_its_code_status_and_details_and_is_not_repeated() -> None:
    with (
        scripted(lambda _: no(403, "FORBIDDEN")) as server,
        Publisher(server.url) as publisher,
        pytest.raises(Refused) as told,
    ):
        publisher.update("r", BIKE)

    refused = told.value
    assert (refused.code, refused.status, refused.details) == ("FORBIDDEN", 403, {"limitItems": 3})
    assert len(server.requests) == 1


def test_what_is_too_large_is_halved_and_one_alone_refused() -> None:
    def judged(events: list[dict[str, Any]]) -> Answer:
        is_too_much = len(events) > 2 or any(event["data"] == 3 for event in events)
        return no(413, "TOO_LARGE") if is_too_much else taken(events)

    events = [Event("ring", number) for number in (0, 1, 2, 3)]
    with scripted(*[judged] * 9) as server, Publisher(server.url) as publisher:
        outcomes = publisher.publish_many("r", events)

    assert [type(outcome) for outcome in outcomes] == [Receipt, Receipt, Receipt, Refused]
    assert len(server.requests) == 5


def test_patience_ends_and_says_why_without_the_token() -> None:
    def away(_: list[dict[str, Any]]) -> Answer:
        return no(503, "UNAVAILABLE", **{"Retry-After": "60"})

    with (
        scripted(away) as server,
        Publisher(server.url, "s3cret", patience_seconds=5) as publisher,
        pytest.raises(Unanswered, match="HTTP status 503") as told,
    ):
        publisher.update("r", BIKE)

    assert "s3cret" not in repr(told.value)
    assert len(server.requests) == 1


def test_closing_ends_the_waiting_of_another_thread() -> None:
    asked = threading.Event()

    def away(_: list[dict[str, Any]]) -> Answer:
        asked.set()
        return no(503, "UNAVAILABLE", **{"Retry-After": "50"})

    failures: list[str] = []

    def publish() -> None:
        try:
            publisher.update("r", BIKE)
        except Unanswered as error:
            failures.append(str(error))

    with scripted(away) as server:
        publisher = Publisher(server.url)
        thread = threading.Thread(target=publish)
        thread.start()
        assert asked.wait(15)
        publisher.close()
        thread.join(15)

    assert failures == ["the publisher was closed"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"data": {}}',
        '{"data": []}',
        "<html>",
        '{"data": [1, 2]}',
        '{"data": [1]}',
        '{"data": [{}]}',
    ],
)
def test_an_answer_that_is_not_a_gateway_s_is_told_apart(body: str) -> None:
    with (
        scripted(lambda _: (200, {}, body)) as server,
        Publisher(server.url) as publisher,
        pytest.raises(Refused, match="not that of a gateway"),
    ):
        publisher.update("r", BIKE)


@pytest.mark.parametrize(
    "url", ["bikes.example", "ftp://bikes.example", "http://token@bikes.example", "http://a?b=1"]
)
def test_an_address_that_cannot_be_right_is_an_error_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Publisher(url)


@pytest.mark.parametrize("token", ["sec\nret", "secr\u00e9t", "sec\x00ret", "sec\rret: x"])
def test_a_token_that_cannot_be_one_is_an_error_that_does_not_quote_it(token: str) -> None:
    with pytest.raises(ValueError, match="the token holds characters") as at_once:
        Publisher("http://127.0.0.1:9", token)
    with (
        Publisher("http://127.0.0.1:9", lambda: token) as publisher,
        pytest.raises(ValueError, match="the token holds characters") as asked,
    ):
        publisher.update("r", BIKE)

    assert "sec" not in f"{at_once.value}{asked.value}"


def test_a_token_may_come_from_a_file_that_ends_as_files_do() -> None:
    with scripted() as server, Publisher(server.url, "first\n") as publisher:
        publisher.update("r", BIKE)

    assert server.authorizations == ["Bearer first"]


async def test_the_one_that_awaits_keeps_the_order_in_which_it_was_asked() -> None:
    with scripted() as server:
        async with AsyncPublisher(server.url) as publisher:
            first = publisher.update("r", BIKE)
            receipts = [await first, *await publisher.update_many("r", [BIKE, BIKE])]

    assert all(isinstance(receipt, Receipt) for receipt in receipts)
    assert [len(request) for request in server.requests] == [1, 2]
