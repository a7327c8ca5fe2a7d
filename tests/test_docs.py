"""The documentation says what the code says."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import GAUGE_LABELS, GAUGES, Metrics, render
from gateway.settings import Provider, RoomKind, Settings, describe
from tests.toolbox import documents
from tests.toolbox.programs import REPOSITORY

DOCS = REPOSITORY / "docs"
REFERENCE = DOCS / "reference"
DOCUMENTS = [
    REPOSITORY / "README.md",
    *sorted(DOCS.rglob("*.md")),
    REPOSITORY / "SECURITY.md",
]


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


def test_every_key_of_a_provider_is_documented_with_its_default() -> None:
    rows = documents.table_rows(REFERENCE / "settings.md")
    first, last = (
        next(index for index, row in enumerate(rows) if row[0] == head) for head in ("key", "field")
    )
    told = {row[0].strip("`"): row[1].strip("`") for row in rows[first + 1 : last]}
    fields = [each for each in msgspec.structs.fields(Provider) if each.name != "client_secret"]

    assert told == {
        each.encode_name: "" if each.required else msgspec.json.encode(_default_of(each)).decode()
        for each in fields
    }


def test_every_metric_is_documented_with_its_labels() -> None:
    told = {row[0].strip("`"): row[1] for row in _rows_of("metrics.md", "metric")}
    metrics = Metrics()
    for gauge in GAUGES:
        metrics.gauge(gauge, (lambda: {"any": 1}) if gauge in GAUGE_LABELS else int)
    families = {
        f"{family.name}_total" if family.type == "counter" else family.name: family
        for family in text_string_to_metric_families(render(metrics))
        if family.name.startswith("paceline_")
    }

    assert set(told) == set(families)
    for name, family in families.items():
        for sample in family.samples:
            for label, value in sample.labels.items():
                assert label == "le" or f"`{label}`" in told[name]
                assert (
                    label in {"le", "code", "version", "python"}
                    or value == "any"
                    or f"`{value}`" in told[name]
                )


def _lines_of_security() -> list[list[str]]:
    rows = documents.table_rows(REFERENCE / "security.md")
    return [row for row in rows if re.match(r"\d+\.\d+\.\d+", row[0])]


@pytest.mark.parametrize("row", _lines_of_security(), ids=lambda row: str(row[0]))
def test_every_line_of_security_names_tests_that_there_are(row: list[str]) -> None:
    _, _, kept, how = row
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", how)
    for path, name in named:
        file = REPOSITORY / "tests" / path
        assert file.exists(), path
        assert not name or f"def {name}(" in file.read_text(), name
    tells = any(word in how for word in ("](", "the same", "the linter"))
    assert kept in {"yes", "partly", "yours", "no"}
    assert kept != "yes" or named or tells


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


def test_the_providers_that_are_shown_can_be_used(tmp_path: Path) -> None:
    text = (DOCS / "how-to" / "sign-in-with-oidc.md").read_text()
    blocks = [block.partition("```")[0] for block in text.split("```toml\n")[1:]]
    config = tmp_path / "providers.toml"
    config.write_text("\n".join(block for block in blocks if "[[provider]]" in block))
    names = ("WORK", "KEYCLOAK", "GOOGLE", "ENTRA")
    secrets = {f"PACELINE_CLIENT_SECRET_{name}": "a secret" for name in names}

    settings = Settings.from_env(
        {
            "PACELINE_ENV": "development",
            "PACELINE_CONFIG": str(config),
            "PACELINE_PUBLIC_URL": "https://maps.example",
            **secrets,
        }
    )

    assert [provider.name.upper() for provider in settings.providers] == [*names]


def test_the_readme_shows_the_four_lines_as_the_specification_has_them() -> None:
    readme = (REPOSITORY / "README.md").read_text()

    assert "socket.emit('join-room', roomId)" in readme
    assert "socket.emit('bike-update', { roomId, " in readme
    assert "socket.on('bike-updated', " in readme


def _default_of(field: msgspec.structs.FieldInfo) -> object:
    factory = field.default_factory
    return field.default if factory is msgspec.NODEFAULT else factory()


def _rows_of(name: str, head: str) -> list[list[str]]:
    """The rows of the table whose first head is `head`, which is the last table of its page."""
    rows = documents.table_rows(REFERENCE / name)
    start = next(index for index, row in enumerate(rows) if row[0] == head)
    return rows[start + 1 :]
