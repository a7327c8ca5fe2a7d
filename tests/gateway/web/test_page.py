"""What of the page needs no browser is tested without one, by Node's own test runner."""

import os
import subprocess
from pathlib import Path

from tests.toolbox import programs
from tests.toolbox.programs import REPOSITORY

TESTS = Path(__file__).with_name("page")
SOURCES = REPOSITORY / "gateway" / "web" / "page" / "src"
WITHOUT_A_BROWSER = (
    *("antimeridian", "mercator", "motion", "reading", "words"),
    *("ops/health", "ops/history", "ops/numbers"),
)


def test_the_rules_of_the_pages_hold(tmp_path: Path) -> None:
    node = str(programs.node())
    (tmp_path / "package.json").write_text('{"type": "module"}')
    compiler = str(REPOSITORY / "node_modules" / "typescript" / "bin" / "tsc")
    options = ["--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"]
    sources = [str(SOURCES / f"{name}.ts") for name in WITHOUT_A_BROWSER]
    compiled = subprocess.run(
        [node, compiler, "--outDir", str(tmp_path), "--skipLibCheck", *options, *sources],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert compiled.returncode == 0, compiled.stdout

    tested = subprocess.run(
        [node, "--test", *map(str, sorted(TESTS.glob("*.test.mjs")))],
        env=os.environ | {"PAGE_MODULES": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )

    assert tested.returncode == 0, tested.stdout
    assert "# pass 0" not in tested.stdout
