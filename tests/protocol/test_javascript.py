"""What the gateway lets through is what the official JavaScript client can read: asked of Node."""

import base64
import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import codec
from protocol.refusals import Refused
from tests.toolbox import programs

Verdict: TypeAlias = Callable[[bytes], str]


@pytest.fixture(scope="module")
def verdict_of_client() -> Iterator[Verdict]:
    """Ask one Node, which lives as long as the module's tests, about any number of payloads."""
    script = Path(__file__).with_name("parse_packets.mjs")
    with subprocess.Popen(
        [str(programs.node()), str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as node:
        assert node.stdin is not None
        assert node.stdout is not None
        stdin, stdout = node.stdin, node.stdout

        def ask(payload: bytes) -> str:
            stdin.write(base64.b64encode(codec.packet_of("bike-updated", payload)) + b"\n")
            stdin.flush()
            return stdout.readline().decode().strip()

        yield ask
        stdin.close()


_digits = st.builds(lambda digit, count: digit * count, st.sampled_from("19"), st.integers(1, 330))
_numbers = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "-", "0.", "1.5", "179769313486231"]),
        _digits,
        st.sampled_from(["", "", ".5", "e5", "e-300", "E+300", "e308", "e999", "."]),
    ),
)
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10).map(json.dumps)
_odd_texts = st.sampled_from(
    [
        r'"\ud800"',
        r'"\udc00"',
        r'"\ud83d\udeb2"',
        r'"\udeb2\ud83d"',
        r'"\ud83dx"',
        r'"\u0000"',
        r'"\x41"',
        '"\x00"',
        '"\x1e"',
        '"\u2028"',
        "'x'",
        "NaN",
        "Infinity",
        "-Infinity",
        "undefined",
        "nul",
        "[1,]",
        '{"a":1,"a":2}',
        '{"__proto__":null}',
        "",
        "\ufeff1",
        "\u00a01",
        "\x0b1",
    ]
)
_values = st.recursive(
    st.one_of(_numbers, _texts, _odd_texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(_texts, inner, max_size=3).map(
            lambda fields: (
                "{" + ",".join(f"{name}: {value}" for name, value in fields.items()) + "}"
            )
        ),
    ),
    max_leaves=6,
)
_damage = st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=2)), max_size=2)


def _damaged(text: str, damage: list[tuple[int, bytes]]) -> bytes:
    data = text.encode()
    for number, inserted in damage:
        place = number % (len(data) + 1)
        data = data[:place] + inserted + data[place:]
    return data


def _passes(payload: bytes) -> bool:
    with contextlib.suppress(Refused):
        codec.plain_json(payload)
        return True
    return False


@settings(max_examples=500)
@given(payload=st.builds(_damaged, _values, _damage))
def test_whatever_passes_reaches_javascript_whole(
    verdict_of_client: Verdict, payload: bytes
) -> None:
    if _passes(payload):
        assert verdict_of_client(payload) == "fine"


@pytest.mark.parametrize(
    ("payload", "verdict"),
    [
        (b'{"a":[1,"x"]}', "fine"),
        (b"NaN", "broken"),
        (b"[1,]", "broken"),
        (b'"\xff"', "broken"),
        (b'"\x1e"', "broken"),
        (b"1,2", "broken"),
        (b"1e999", "odd"),
        (b'{"a":[-1e999]}', "odd"),
        (b"9" * 309, "odd"),
        (b'"\\ud800"', "odd"),
        (b'{"\\ud800":1}', "odd"),
    ],
)
def test_the_judge_knows_good_from_bad(
    verdict_of_client: Verdict, payload: bytes, verdict: str
) -> None:
    assert verdict_of_client(payload) == verdict
    assert _passes(payload) is (verdict == "fine")


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**307), 10**307)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    )
)
def test_nothing_that_json_can_say_is_refused(value: object) -> None:
    codec.plain_json(json.dumps(value).encode())
