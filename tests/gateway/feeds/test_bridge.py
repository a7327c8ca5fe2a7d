import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.feeds.bridge import Bridge, BridgeResult, run_bridge
from gateway.feeds.options import BridgeOptions
from tests.gateway.feeds import system
from tests.gateway.feeds.feed_server import FeedServer
from tests.gateway.feeds.recording_gateway import RecordingGateway, error_response

# Recordings of real systems, a folder each, besides the one that is made up.
RECORDED = sorted(Path(os.environ.get("PACELINE_FEEDS", "/nowhere")).glob("*/"))


MakeBridge = Callable[..., Bridge]


async def test_a_system_is_told_in_full_once_and_then_only_what_changed(
    gateway: RecordingGateway, feed_server: FeedServer, make_bridge: MakeBridge
) -> None:
    documents = system.feeds()
    bridge = make_bridge(feed_server.serve_system(documents))

    await bridge.follow_once()
    first = bridge.result()
    assert (first.vehicles, first.stations) == (1_244, 1_811)
    assert first.published == first.accepted == 3_055
    assert first.exit_code == 0

    await bridge.follow_once()
    assert bridge.result().published == 3_055

    documents["free_bike_status"]["data"]["bikes"][0]["is_reserved"] = 1
    documents["station_status"]["data"]["stations"][0]["num_bikes_available"] = 99
    del documents["free_bike_status"]["data"]["bikes"][1]
    for entry in documents["station_status"]["data"]["stations"]:
        entry["last_reported"] += 60
    feed_server.serve_system(documents)
    await bridge.follow_once()
    assert len(gateway.updates) == 3_055 + 3
    assert bridge.result().removed == 1
    assert len(gateway.bikes) == 3_054


async def test_updates_keep_what_the_feed_said_to_the_letter(
    gateway: RecordingGateway, feed_server: FeedServer, make_bridge: MakeBridge
) -> None:
    documents = system.feeds(bikes=3, stations=0)
    await make_bridge(feed_server.serve_system(documents)).follow_once()

    assert gateway.updates == documents["free_bike_status"]["data"]["bikes"]
    assert {type(update["is_reserved"]) for update in gateway.updates} == {int}


async def test_stations_are_told_once_with_their_names_and_places(
    gateway: RecordingGateway, feed_server: FeedServer, make_bridge: MakeBridge
) -> None:
    documents = system.feeds(bikes=0, stations=2)
    await make_bridge(feed_server.serve_system(documents)).follow_once()

    assert len(gateway.updates) == 2
    standing = {"name": "Station 0", "lat": 41.6, "lon": -87.9, "capacity": 15}
    assert gateway.updates[0] == standing | system.status(0)


@pytest.mark.parametrize("folder", ["made-up", *RECORDED])
async def test_a_folder_of_saved_feeds_is_told_in_full_and_then_not_again(
    folder: str | Path, tmp_path: Path, gateway: RecordingGateway, make_bridge: MakeBridge
) -> None:
    address = system.write(tmp_path, system.feeds()) if folder == "made-up" else Path(folder)
    bridge = make_bridge(address)

    await bridge.follow_once()
    result = bridge.result()
    assert result.troubles == ()
    assert result.published == result.vehicles + result.stations == len(gateway.bikes) > 0

    again = make_bridge(address)
    again._tellers = bridge._tellers  # noqa: SLF001 - the same memory, but the files are read anew
    await again.follow_once()
    assert len(gateway.updates) == result.published


@pytest.mark.parametrize("trouble", ["status", "garbage", "html", "truncated", "shape", "missing"])
async def test_a_broken_feed_removes_nobody_and_stops_no_other(
    gateway: RecordingGateway, feed_server: FeedServer, make_bridge: MakeBridge, trouble: str
) -> None:
    documents = system.feeds(bikes=5, stations=5)
    bridge = make_bridge(feed_server.serve_system(documents))
    await bridge.follow_once()

    documents["station_status"]["data"]["stations"][0]["num_bikes_available"] = 99
    feed_server.serve_system(documents)
    path = "free_bike_status.json"
    match trouble:
        case "status":
            feed_server.fail(path, 500)
        case "garbage":
            feed_server.serve(path, b'{"data": {"bikes": [{"bike_id"')
        case "html":
            feed_server.serve(path, b"<!DOCTYPE html>")
        case "truncated":
            feed_server.truncate(path)
        case "shape":
            feed_server.serve(path, {"data": {"bikes": {}}})
        case _:
            del feed_server.answers[path]
    await bridge.follow_once()

    assert gateway.removed == []
    assert len(gateway.updates) == 11
    assert bridge.result().vehicles == 5
    assert bridge.result().exit_code == 1
    assert len(bridge.result().troubles) == 1


async def test_an_empty_but_sound_feed_removes_the_fleet(
    gateway: RecordingGateway, feed_server: FeedServer, make_bridge: MakeBridge
) -> None:
    bridge = make_bridge(feed_server.serve_system(system.feeds(bikes=5, stations=5)))
    await bridge.follow_once()
    feed_server.serve_system(system.feeds(bikes=0, stations=5))
    await bridge.follow_once()

    assert len(gateway.removed) == 5
    assert len(gateway.bikes) == 5


async def test_one_malformed_vehicle_is_counted_and_costs_nobody_else(
    gateway: RecordingGateway, feed_server: FeedServer, make_bridge: MakeBridge
) -> None:
    documents = system.feeds(bikes=5, stations=0)
    bridge = make_bridge(feed_server.serve_system(documents))
    await bridge.follow_once()
    documents["free_bike_status"]["data"]["bikes"][2]["lat"] = "north"
    feed_server.serve_system(documents)
    await bridge.follow_once()

    assert gateway.removed == []
    assert bridge.result().skipped == 1
    assert bridge.result().exit_code == 0


async def test_names_that_cannot_be_read_do_not_hold_up_their_stations(
    gateway: RecordingGateway, feed_server: FeedServer, make_bridge: MakeBridge
) -> None:
    documents = system.feeds(bikes=0, stations=2)
    address = feed_server.serve_system(documents)
    feed_server.fail("station_information.json", 500)
    bridge = make_bridge(address)
    await bridge.follow_once()
    assert gateway.updates == documents["station_status"]["data"]["stations"]

    feed_server.serve_system(documents)
    await bridge.follow_once()
    assert {station["name"] for station in gateway.bikes.values()} == {"Station 0", "Station 1"}


async def test_an_address_that_shows_nothing_is_a_failed_run(
    feed_server: FeedServer, make_bridge: MakeBridge
) -> None:
    bridge = make_bridge(feed_server.url("gbfs.json"))
    await bridge.follow_once()

    assert bridge.result().exit_code == 1
    assert bridge.result().troubles == ("discovery: HTTP status 404",)


async def test_a_gateway_that_says_no_is_a_failed_run(
    gateway: RecordingGateway, feed_server: FeedServer, make_bridge: MakeBridge
) -> None:
    gateway.answers.append(error_response(401, "TOKEN_INVALID"))
    bridge = make_bridge(feed_server.serve_system(system.feeds(bikes=3, stations=0)))
    await bridge.follow_once()

    assert bridge.result().exit_code == 1
    assert bridge.result().vehicles == 0


async def test_a_gateway_that_was_started_anew_is_told_everything_at_the_next_change(
    gateway: RecordingGateway, feed_server: FeedServer, make_bridge: MakeBridge
) -> None:
    documents = system.feeds(bikes=5, stations=5)
    bridge = make_bridge(feed_server.serve_system(documents))
    await bridge.follow_once()
    gateway.forget()
    documents["free_bike_status"]["data"]["bikes"][0]["is_reserved"] = 1
    feed_server.serve_system(documents)

    await bridge.follow_once()
    await bridge.follow_once()

    assert len(gateway.bikes) == 10


async def test_a_recording_is_told_change_by_change(
    tmp_path: Path, gateway: RecordingGateway, make_bridge: MakeBridge
) -> None:
    path = tmp_path / "series.ndjson.gz"
    everyone = [system.bike(n, last_reported=system.UPDATED_SECONDS - n) for n in range(20)]
    fleets = [everyone, everyone, everyone[1:], everyone]
    snapshots = [
        system.document("bikes", fleet, last_updated=system.UPDATED_SECONDS + 60 * number)
        for number, fleet in enumerate(fleets)
    ]
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, snapshots)).encode()))
    bridge = make_bridge(None, replay_path=path, speed=60_000)

    await bridge.replay()

    assert [len(request.updates) for request in gateway.requests] == [20, 1, 1]
    assert len(gateway.bikes) == 20
    assert gateway.stale == []
    assert bridge.result().snapshots == 4
    assert bridge.result().exit_code == 0


async def test_a_recording_that_cannot_be_read_is_a_failed_run(
    tmp_path: Path, make_bridge: MakeBridge
) -> None:
    bridge = make_bridge(None, replay_path=tmp_path / "missing")
    await bridge.replay()

    assert bridge.result().exit_code == 1


async def test_a_run_reads_once_and_answers_what_came_of_it(
    tmp_path: Path, gateway: RecordingGateway
) -> None:
    folder = system.write(tmp_path, system.feeds(bikes=3, stations=2))
    options = BridgeOptions(
        room="r", address=str(folder), gateway_url=gateway.url, token="secret", once=True
    )

    assert await run_bridge(options) == BridgeResult(
        vehicles=3,
        stations=2,
        published=5,
        removed=0,
        accepted=5,
        repeated=0,
        superseded=0,
        refused=0,
        skipped=0,
        snapshots=3,
        troubles=(),
    )
    assert gateway.requests[0].authorization == "Bearer secret"


async def test_a_run_replays_a_recording(tmp_path: Path, gateway: RecordingGateway) -> None:
    path = tmp_path / "series.ndjson"
    path.write_text(json.dumps(system.document("bikes", [system.bike(1)])))

    result = await run_bridge(
        BridgeOptions(room="r", replay_path=path, speed=0, gateway_url=gateway.url)
    )
    assert (result.vehicles, result.exit_code) == (1, 0)
