"""What is given to others holds what it needs, and not what built it."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.toolbox.programs import REPOSITORY


def test_the_wheel_carries_the_page_and_not_its_sources(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()

    page = [name for name in names if name.startswith("gateway/web/built/")]
    assert "gateway/web/built/index.html" in page
    assert any(name.endswith(".js.br") for name in page)
    assert any("countries" in name for name in page)
    assert not [
        name for name in names if name.startswith("gateway/web/page/") or "typescript/" in name
    ]
    assert "gateway/web/building.py" not in names
    assert "gateway/web/pages.py" in names
