import re
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from loadtest import plots, report
from loadtest.histogram import Histogram
from loadtest.measurement import Check, Durations, Measurement, Result, Sample
from loadtest.scenarios import TABLE


def measured(peer: str, cpu_seconds: float) -> Measurement:
    latency = Histogram()
    for milliseconds in (1, 2, 3, 50):
        latency.add(milliseconds * 1_000_000)
    return Measurement(
        peer=peer,
        round_number=1,
        seconds=2,
        units=1000,
        server_user_seconds=cpu_seconds,
        latency=Durations.of(latency),
        samples=[Sample(0, 0, 10_000_000), Sample(1, 0.5, 20_000_000)],
        checks=[Check("verbatim", passed=False, detail="3 < 4 & more")],
    )


@pytest.fixture
def result() -> Result:
    return Result(
        TABLE["fanout"],
        ["paceline", "node", "floor"],
        [measured("paceline", 0.002), measured("node", 0.009)],
        {"floor": "no C compiler (cc)"},
    )


def test_the_page_asks_nobody_for_anything(result: Result) -> None:
    page = report.page_of([result], datetime(2026, 11, 23, tzinfo=UTC))
    assert not re.search(r"https?:|src=|href=|@import|url\(", page)
    assert "<script" not in page


def test_the_page_says_the_cost_and_how_many_times_it_is(result: Result) -> None:
    page = report.page_of([result], datetime(2026, 11, 23, tzinfo=UTC))
    assert "CPU per delivery" in page
    assert "&times; 4.5" in page


def test_the_page_names_what_was_missing_and_what_was_broken(result: Result) -> None:
    page = report.page_of([result], datetime(2026, 11, 23, tzinfo=UTC))
    assert "floor: no C compiler (cc)" in page
    assert "3 &lt; 4 &amp; more" in page
    assert 'class="broken"' in page


def test_every_drawing_is_well_formed(result: Result) -> None:
    page = report.page_of([result], datetime(2026, 11, 23, tzinfo=UTC))
    drawings = re.findall(r"<svg.*?</svg>", page)
    assert len(drawings) == 4
    for drawing in drawings:
        ET.fromstring(drawing)  # noqa: S314 - our own drawing


def test_the_numbers_can_be_read_back(result: Result, tmp_path: Path) -> None:
    page, numbers = report.write([result], tmp_path)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    (back,) = msgspec.json.decode(numbers.read_bytes(), type=report.Numbers).results
    assert back.measurements == result.measurements


def test_a_scenario_that_nobody_finished_is_still_a_page() -> None:
    nothing = Result(TABLE["idle"], ["paceline"], [], {"paceline": "did not start"})
    page = report.page_of([nothing], datetime(2026, 11, 23, tzinfo=UTC))
    assert "did not start" in page


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0123, "0.0123"),
        (1.234, "1.23"),
        (12.34, "12.3"),
        (50, "50"),
        (12345.6, "12,346"),
    ],
)
def test_numbers_are_as_long_as_they_are_useful(value: float, text: str) -> None:
    assert plots.short(value) == text


def test_a_curve_that_never_rises_is_drawn() -> None:
    ET.fromstring(plots.over_time([("node", "node", [(0, 0.0), (1, 0.0)])], "MB"))  # noqa: S314 - ours
    ET.fromstring(plots.quantiles([("node", "node", [(0.0, 1.0)])]))  # noqa: S314 - ours
