import gzip
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.web.files import BuiltFile, built_files

SCRIPT = b"console.log('a page');" * 100


@pytest.fixture
def files(tmp_path: Path) -> dict[str, BuiltFile]:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<p>page")
    (tmp_path / "assets" / "main-1a2b.js").write_bytes(SCRIPT)
    (tmp_path / "assets" / "main-1a2b.js.gz").write_bytes(gzip.compress(SCRIPT))
    (tmp_path / "assets" / "main-1a2b.js.br").write_bytes(b"brotli")
    (tmp_path / ".stamp").write_text("not for browsers")
    return built_files(tmp_path)


@pytest.fixture
def script(files: dict[str, BuiltFile]) -> BuiltFile:
    return files["assets/main-1a2b.js"]


def test_only_files_for_browsers_are_there_and_twins_are_none(files: dict[str, BuiltFile]) -> None:
    assert set(files) == {"index.html", "assets/main-1a2b.js"}


def test_a_folder_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert built_files(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("br;q=0.5, gzip;q=0.8", "gzip"),
        ("br; q=0, gzip; q=0", None),
    ],
)
def test_the_smallest_form_that_the_client_takes_is_sent(
    script: BuiltFile, accepted: str, coding: str | None
) -> None:
    request = make_mocked_request("GET", "/", headers={"Accept-Encoding": accepted})

    response = script.response_to(request, {})

    assert response.headers.get("Content-Encoding") == coding
    assert response.body == {None: SCRIPT, "gzip": gzip.compress(SCRIPT), "br": b"brotli"}[
        coding
    ] or (
        coding == "gzip" and gzip.decompress(response.body) == SCRIPT  # type: ignore[arg-type] # bytes
    )
    assert response.headers["Vary"] == "Accept-Encoding"
    assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"


def test_what_the_client_has_already_is_not_sent_again(script: BuiltFile) -> None:
    first = script.response_to(make_mocked_request("GET", "/"), {})
    tag = first.headers["ETag"]

    again = script.response_to(make_mocked_request("GET", "/", headers={"If-None-Match": tag}), {})
    other_form = script.response_to(
        make_mocked_request("GET", "/", headers={"If-None-Match": tag, "Accept-Encoding": "br"}), {}
    )

    assert (again.status, again.body) == (304, None)
    assert again.headers["ETag"] == tag
    assert other_form.status == 200, "compressed it is another representation"


def test_what_is_named_by_its_content_is_kept_for_ever_and_the_page_is_asked_for(
    files: dict[str, BuiltFile], script: BuiltFile
) -> None:
    assert "immutable" in script.cache_control
    assert files["index.html"].cache_control == "no-cache"
