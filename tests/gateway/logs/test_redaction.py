import time
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.logs.redaction import REDACTED, scrubbed, scrubbed_members, scrubbed_text

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.4pcPyMD09olPSyXnrXCjTw"


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "access_token",
        "Authorization",
        "HTTP_AUTHORIZATION",
        "password",
        "passwd",
        "secret",
        "jwt_secret",
        "api_key",
        "apikey",
        "X-Api-Key",
        "cookie",
        "Set-Cookie",
        "private_key",
    ],
)
def test_what_stands_under_the_name_of_a_secret_is_hidden(name: str) -> None:
    assert scrubbed_members({name: "hunter2"}) == {name: REDACTED}
    assert scrubbed_members({"request": {"headers": [{name: ["hunter2"]}]}}) == {
        "request": {"headers": [{name: REDACTED}]}
    }


def test_that_there_is_none_is_no_secret() -> None:
    assert scrubbed_members({"token": None, "cookie": False}) == {"token": None, "cookie": False}


@pytest.mark.parametrize(
    "text",
    [
        JWT,
        f"connect with {JWT} refused",
        f"Authorization:Bearer {JWT}",
        f"x={JWT}&y",
        f'40{{"token":"{JWT}"}}',
        f"v1.{JWT}",
        f"{JWT}.x.y",
        f"GET /api/trackers/osmand?id=pct_0123456789abcdef_{'4pcPyMD09olPSyXnrXCjTw'}&lat=1",
        "GET /socket.io/?token=hunter2-4pcPyMD09olPSyXnrXCjTw&EIO=4 HTTP/1.1",
        "Bearer hunter2-4pcPyMD09olPSyXnrXCjTw",
        "redis://user:4pcPyMD09olPSyXnrXCjTw@host:6379/0",
        "redis://:p@4pcPyMD09olPSyXnrXCjTw@host:6379/0",
        '{"password": "4pcPyMD09olPSyXnrXCjTw"}',
        "{'api_key': '4pcPyMD09olPSyXnrXCjTw'}",
    ],
)
def test_what_looks_like_a_secret_within_a_text_is_hidden(text: str) -> None:
    shown = scrubbed_text(text)
    assert "4pcPyMD09olPSyXnrXCjTw" not in shown
    assert "eyJzdWIi" not in shown
    assert REDACTED in shown


@pytest.mark.parametrize(
    "text",
    [
        "worker 3 joined city:paris at 48.8566 2.3522",
        "www.example.org answered 3.11.7",
        "TOKEN_EXPIRED refused",
        "http://127.0.0.1:8080/docs",
        "https://maps.example/@48.85,2.35",
        "eyJ is how it starts",
    ],
)
def test_an_innocent_text_stays_as_it_is(text: str) -> None:
    assert scrubbed_text(text) == text


def test_a_line_holds_no_more_than_it_should() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert len(scrubbed_text("x" * 1_000_000)) < 9000
    assert msgspec.json.encode(scrubbed(endless)) == b'[[[[["..."]]]]]'
    many = scrubbed(list(range(1000)))
    assert isinstance(many, list)
    assert len(many) == 100
    assert len(scrubbed_members(dict.fromkeys(map(str, range(1000))))) == 100


def test_a_long_text_keeps_both_ends() -> None:
    shown = scrubbed_text("begin" + "x" * 50_000 + "end")
    assert shown.startswith("begin")
    assert shown.endswith("end")


class _Broken:
    def __repr__(self) -> str:
        raise RuntimeError


class _Telling:
    def __repr__(self) -> str:
        return f"Peer(token='{JWT}')"


def test_objects_are_shown_by_their_repr_without_its_secrets() -> None:
    assert scrubbed(_Broken()) == "<_Broken>"
    shown = scrubbed({"peer": _Telling(), 5: b"five"})
    assert isinstance(shown, dict)
    assert JWT not in str(shown)
    assert shown["5"] == "b'five'"


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.frozensets(st.text())
    ),
)


@settings(max_examples=30)
@given(members=st.dictionaries(st.text(), _ANYTHING))
def test_anything_becomes_what_json_can_hold(members: dict[str, object]) -> None:
    msgspec.json.decode(msgspec.json.encode(scrubbed_members(members)))


@pytest.mark.parametrize(
    "make",
    [
        lambda size: "eyJ" * size,
        lambda size: "a." * size,
        lambda size: "://" * size,
        lambda size: "token" * size,
        lambda size: "token" + " " * size,
        lambda size: "bearer" + " " * size,
        lambda size: "-" * size,
    ],
)
def test_no_text_takes_long(make: Callable[[int], str]) -> None:
    text = make(60_000)
    began_seconds = time.process_time()
    scrubbed_text(text)
    assert time.process_time() - began_seconds < 0.2
