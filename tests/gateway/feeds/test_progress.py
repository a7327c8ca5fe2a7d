import io

import structlog
from rich.console import Console

from gateway.feeds.progress import Step, progress_for


def shown(*steps: Step, is_terminal: bool) -> str:
    text = io.StringIO()
    console = Console(file=text, force_terminal=is_terminal, width=100)
    with progress_for("city:paris", console) as progress:
        for step in steps:
            progress.show(step)
    return text.getvalue()


def test_a_terminal_shows_a_table_with_a_row_for_each_feed() -> None:
    text = shown(
        Step("free_bike_status", shown=1244, told=1244, pause_seconds=60.0),
        Step("free_bike_status", shown=1240, told=7, skipped=2, pause_seconds=60.0),
        Step("station_status", trouble="HTTP status 500", pause_seconds=5.0),
        is_terminal=True,
    )

    last = text[text.rindex("GBFS to city:paris") :]
    assert "1240" in last
    assert "1251" in last
    assert "HTTP status 500" in last
    assert "60 s" in last


def test_without_a_terminal_only_what_was_told_costs_a_line() -> None:
    with structlog.testing.capture_logs() as lines:
        text = shown(
            Step("free_bike_status", shown=5, told=5),
            Step("free_bike_status", shown=5, told=0),
            is_terminal=False,
        )

    assert text == ""
    assert [line["told"] for line in lines] == [5]


def test_what_a_feed_says_of_its_failure_is_no_markup() -> None:
    text = shown(Step("station_status", trouble="[/red] [bold]no"), is_terminal=True)

    assert "[/red] [bold]no" in text
