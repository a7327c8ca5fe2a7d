from pathlib import Path

import pytest

from gateway.settings import Settings, warnings_of
from tests.gateway.settings.environments import DEVELOPMENT, problems_of


def test_a_short_secret_is_refused_in_production_and_warned_of_in_development() -> None:
    short = {"PACELINE_JWT_SECRET": "correct-horse"}
    assert "13 bytes" in problems_of(short)[0]
    settings = Settings.from_env({**short, **DEVELOPMENT})
    assert any("13 bytes" in warning for warning in warnings_of(settings))


@pytest.mark.parametrize("secret", ["x" * 64, "changeme" * 5, "123" * 20])
def test_a_secret_of_a_few_characters_over_and_over_is_refused_in_production(secret: str) -> None:
    (problem,) = problems_of({"PACELINE_JWT_SECRET": secret})

    assert "over and over" in problem
    assert secret not in problem


def test_public_development_is_possible_on_demand_and_loud() -> None:
    environ = {**DEVELOPMENT, "HOST": "0.0.0.0", "PACELINE_ALLOW_PUBLIC_DEVELOPMENT": "1"}  # noqa: S104 - the case
    settings = Settings.from_env(environ)
    assert any("reachable from other machines" in warning for warning in warnings_of(settings))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_development_listens_on_any_loopback_address(host: str) -> None:
    assert Settings.from_env({**DEVELOPMENT, "HOST": host}).host == host


def test_loose_ways_to_check_tokens_are_warned_of() -> None:
    settings = Settings.from_env({"PACELINE_JWKS_URL": "http://issuer.example/jwks.json"})
    warnings = " ".join(warnings_of(settings))
    assert "plain http" in warnings
    assert "PACELINE_JWT_AUDIENCE" in warnings


def test_streets_are_a_url_or_a_file_of_the_kind(tmp_path: Path) -> None:
    name, file = "PACELINE_MAP_PMTILES", tmp_path / "city.pmtiles"
    file.write_bytes(b"PMTiles\x03...")
    assert Settings.from_env({**DEVELOPMENT, name: str(file)}).map_pmtiles == str(file)
    url = "https://tiles.example/city.pmtiles"
    assert Settings.from_env({**DEVELOPMENT, name: url}).map_pmtiles == url
    (tmp_path / "old.pmtiles").write_bytes(b"PMTiles\x02...")
    for wrong in ("https://tiles.example/a b", str(tmp_path / "old.pmtiles"), str(tmp_path)):
        assert name in problems_of({**DEVELOPMENT, name: wrong})[0]
