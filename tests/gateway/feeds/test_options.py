import argparse
from pathlib import Path

import pytest

from gateway.feeds.options import (
    BridgeOptions,
    BridgeOptionsInvalid,
    add_arguments,
    options_from,
)


def options(*arguments: str, **environ: str) -> BridgeOptions:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return options_from(parser.parse_args(arguments), environ)


def test_an_address_and_a_room_are_enough() -> None:
    assert options("https://example.com/gbfs.json", "--room", "city:paris") == BridgeOptions(
        room="city:paris",
        address="https://example.com/gbfs.json",
        gateway_url="http://127.0.0.1:8080",
    )


def test_the_environment_names_the_gateway_and_the_token() -> None:
    found = options(
        "feeds/", "--room", "r", PACELINE_URL="https://live.example", PACELINE_TOKEN="t\n"
    )

    assert found.gateway_url == "https://live.example"
    assert found.token == "t"


def test_an_argument_wins_over_the_environment() -> None:
    found = options("feeds/", "--room", "r", "--url", "http://a", PACELINE_URL="http://b")

    assert found.gateway_url == "http://a"


def test_a_replay_needs_no_address() -> None:
    found = options("--replay", "series.ndjson.gz", "--speed", "0", "--room", "r")

    assert found.replay_path == Path("series.ndjson.gz")
    assert found.speed == 0


def test_the_token_is_not_shown() -> None:
    assert "secret" not in repr(options("feeds/", "--room", "r", PACELINE_TOKEN="secret"))


@pytest.mark.parametrize(
    ("arguments", "mistake"),
    [
        (["--room", "r"], "address or --replay"),
        (["x", "--replay", "y", "--room", "r"], "address or --replay"),
        (["x", "--room", ""], "--room"),
        (["x", "--room", "r" * 201], "--room"),
        (["x", "--room", "r", "--url", "ftp://a"], "--url"),
        (["x", "--room", "r", "--interval", "0"], "--interval"),
        (["x", "--room", "r", "--interval", "nan"], "--interval"),
        (["x", "--room", "r", "--speed", "-1"], "--speed"),
        (["x", "--room", "r", "--speed", "inf"], "--speed"),
    ],
)
def test_a_mistake_is_named(arguments: list[str], mistake: str) -> None:
    with pytest.raises(BridgeOptionsInvalid, match=mistake):
        options(*arguments)


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(BridgeOptionsInvalid) as invalid:
        options("--room", "", "--interval", "-1", PACELINE_TOKEN="a\nb", PACELINE_URL="nowhere")

    assert len(str(invalid.value).splitlines()) == 5
    assert "a\nb" not in str(invalid.value)
