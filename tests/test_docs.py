"""The documentation says what the code says."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from gateway.metrics import GAUGES, Metrics, render
from gateway.settings import RoomKind, Settings, describe
from tests.toolbox import documents
from tests.toolbox.programs import REPOSITORY

DOCS = REPOSITORY / "docs"
REFERENCE = DOCS / "reference"
DOCUMENTS = [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md"))]


def _ids(value: object) -> str:
    return str(value.relative_to(REPOSITORY)) if isinstance(value, Path) else str(value)


def test_every_setting_is_documented_with_its_default() -> None:
    told = {
        row[0].strip("`"): row[1].strip("`") or "-"
        for row in documents.table_rows(REFERENCE / "settings.md")
        if row[0].strip("`").isupper()
    }
    in_force = describe(Settings.from_env({"PACELINE_JWKS_URL": "https://login.example/"}))
    # These three are not what they are by default: two follow from another one, one was set here.
    follow = {"HOST": "-", "PACELINE_CONFIG": "-", "PACELINE_JWKS_URL": "-"}

    assert told == {name: value for name, value, _ in in_force} | follow


def test_every_field_of_a_room_kind_is_documented_with_its_default() -> None:
    told = {row[0].strip("`"): row[1].strip("`") for row in _rows_of("settings.md", "field")}
    fields = msgspec.structs.fields(RoomKind)

    assert told == {field.name: msgspec.json.encode(field.default).decode() for field in fields}


def test_every_metric_is_documented_with_its_labels() -> None:
    told = {row[0].strip("`"): row[1] for row in _rows_of("metrics.md", "metric")}
    metrics = Metrics()
    for gauge in GAUGES:
        metrics.gauge(gauge, int)
    lines = [line for line in render(metrics).splitlines() if line.startswith("paceline_")]
    # Of a histogram its sum stands for the rest.
    samples = [
        line.replace("_seconds_sum", "_seconds")
        for line in lines
        if "_seconds_bucket{" not in line and "_seconds_count{" not in line
    ]

    assert {sample.partition(" ")[0].partition("{")[0] for sample in samples} == set(told)
    for sample in samples:
        name, _, labels = sample.partition(" ")[0].partition("{")
        label, _, value = labels.rstrip("}").partition("=")
        assert f"`{label}`" in told[name] or not label
        assert f"`{value.strip(chr(34))}`" in told[name] or label in {"", "code"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=_ids)
def test_every_link_leads_somewhere(document: Path) -> None:
    for path, anchor in documents.links(document):
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), path
        assert not anchor or anchor in documents.anchors(target), f"{path}#{anchor}"


def test_every_document_is_on_the_map() -> None:
    index = DOCS / "index.md"
    mapped = {(DOCS / path).resolve() for path, _ in documents.links(index)}

    assert [path for path in DOCUMENTS[1:] if path not in {index, *mapped}] == []


def test_the_kinds_of_rooms_that_are_shown_can_be_used(tmp_path: Path) -> None:
    text = (DOCS / "how-to" / "room-kinds.md").read_text()
    toml = text.partition("```toml\n")[2].partition("```")[0]
    config = tmp_path / "rooms.toml"
    config.write_text(toml)

    settings = Settings.from_env({"PACELINE_ENV": "development", "PACELINE_CONFIG": str(config)})

    assert len(tomllib.loads(toml)["room"]) == 3
    assert settings.kind_of("city:paris").profile == "live"
    assert settings.kind_of("ride:7").presence
    assert not settings.kind_of("chat:7").snapshot


def test_the_readme_shows_the_four_lines_as_the_specification_has_them() -> None:
    readme = (REPOSITORY / "README.md").read_text()

    assert "socket.emit('join-room', roomId)" in readme
    assert "socket.emit('bike-update', { roomId, " in readme
    assert "socket.on('bike-updated', " in readme


def _rows_of(name: str, head: str) -> list[list[str]]:
    """The rows of the table whose first head is `head`, which is the last table of its page."""
    rows = documents.table_rows(REFERENCE / name)
    start = next(index for index, row in enumerate(rows) if row[0] == head)
    return rows[start + 1 :]
