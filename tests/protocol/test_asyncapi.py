import json
import subprocess
from pathlib import Path
from typing import Any

import msgspec

from protocol.asyncapi import asyncapi_document
from protocol.catalogue import CLIENT_EVENTS, SERVER_EVENTS
from protocol.refusals import Refusal
from tests.toolbox import programs

_SCRIPT = Path(__file__).with_name("validate_asyncapi.mjs")


def parsed(document: dict[str, Any]) -> dict[str, Any]:
    """What AsyncAPI's own parser says of a document."""
    answer = subprocess.run(
        [str(programs.node()), str(_SCRIPT)],
        input=msgspec.yaml.encode(document),
        capture_output=True,
        check=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_the_official_parser_finds_every_event_and_no_fault() -> None:
    found = parsed(asyncapi_document())

    assert [fault for fault in found["faults"] if fault[0] in {"error", "warning"}] == []
    assert found["operations"] == {
        **dict.fromkeys(CLIENT_EVENTS, "receive"),
        **dict.fromkeys(SERVER_EVENTS, "send"),
    }


def test_the_official_parser_would_find_a_reference_to_nothing() -> None:
    document = asyncapi_document()
    del document["components"]["schemas"]["Member"]

    assert "error" in {severity for severity, _ in parsed(document)["faults"]}


def test_a_request_and_its_answer_stand_together() -> None:
    document = asyncapi_document()
    for name, row in CLIENT_EVENTS.items():
        answer = document["components"]["messages"][f"{name}.ack"]["payload"]["oneOf"][0]

        assert answer["properties"]["data"]["$ref"].endswith(f"/{row.ack.__name__}")
        reply = document["operations"][name]["reply"]["messages"]
        assert reply == [{"$ref": f"#/channels/main/messages/{name}.ack"}]


def test_every_refusal_is_explained() -> None:
    failure = asyncapi_document()["components"]["schemas"]["Failure"]
    code = failure["properties"]["error"]["properties"]["code"]

    assert code["enum"] == [refusal.code for refusal in Refusal]
    assert all(refusal.sentence in code["description"] for refusal in Refusal)
