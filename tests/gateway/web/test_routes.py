from pathlib import Path

import pytest

from gateway.settings import Settings
from gateway.web.routes import page_routes_of

DEVELOPMENT = {"PACELINE_ENV": "development"}


def paths_of(**environ: str) -> set[str]:
    return {route.path for route in page_routes_of(Settings.from_env({**DEVELOPMENT, **environ}))}


@pytest.mark.parametrize("streets", [{}, {"PACELINE_MAP_PMTILES": "https://a.example/c.pmtiles"}])
def test_streets_from_elsewhere_have_no_url_here(streets: dict[str, str]) -> None:
    assert paths_of(**streets) == {"/", "/map.json", "/icon.svg", "/assets/{name}"}


def test_streets_in_a_file_here_have_one(tmp_path: Path) -> None:
    file = tmp_path / "city.pmtiles"
    file.write_bytes(b"PMTiles\x03")

    assert "/map.pmtiles" in paths_of(PACELINE_MAP_PMTILES=str(file))
