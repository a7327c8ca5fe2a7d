"""What Prometheus and Grafana are given fits what a gateway with traffic really says."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.toolbox import programs
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.ports import free_port
from tests.toolbox.programs import REPOSITORY
from tests.toolbox.raw_client import connect, request
from tests.toolbox.redis_server import RedisServer

pytestmark = pytest.mark.journey

PROMETHEUS: Final = REPOSITORY / "deploy" / "prometheus"
GRAFANA: Final = REPOSITORY / "deploy" / "grafana"
RULES: Final = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())
DASHBOARD: Final = json.loads((GRAFANA / "paceline.json").read_text())
ALERTS: Final = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
TIMEOUT_SECONDS: Final = 20.0
PUBLICATIONS: Final = 20
# Prometheus' own, of each scrape.
OF_PROMETHEUS: Final = {"up"}


class Scraped:
    """Two workers of one host on one Redis, after some traffic; the text of each one's metrics."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.metrics_port = free_port()
        self.gateway = GatewayProcess(
            folder,
            REDIS_URL=redis_url,
            PACELINE_WORKERS="2",
            PACELINE_METRICS_PORT=str(self.metrics_port),
            PACELINE_DRAIN_SECONDS="2",
            PACELINE_RUN_JOBS="always",
        )

    async def text(self, worker: int) -> str:
        answer = await request(self.metrics_port + worker, "GET", "/metrics")
        assert answer.status == 200
        return answer.body.decode()

    async def samples(self, worker: int) -> Mapping[tuple[str, ...], float]:
        """Numbers by name and labels, without the worker's."""
        found: dict[tuple[str, ...], float] = {}
        for family in text_string_to_metric_families(await self.text(worker)):
            for sample in family.samples:
                assert sample.labels["worker"] == str(worker)
                labels = [value for key, value in sample.labels.items() if key != "worker"]
                found[sample.name, *labels] = sample.value
        return found

    async def make_traffic(self) -> None:
        """Readers on both workers, publications through both, a refusal."""
        port = self.gateway.port
        heard: list[int] = []
        peers = []
        for number in range(8):
            peer, _ = await connect(port)
            peer.say(f'42{number}["join-room","city:paris"]')
            assert '"error"' not in await peer.hear()
            peers.append(peer)
        for number in range(PUBLICATIONS):
            body = json.dumps({"event": "tick", "data": {"number": number}}).encode()
            answer = await request(port, "POST", "/api/rooms/city:paris/events", body, JSON)
            assert answer.status == 200, answer.body
        for peer in peers:
            heard.extend([len(await peer.hear()) for _ in range(PUBLICATIONS)])
        refused = await request(port, "POST", "/api/rooms/city:paris/events", b"[", JSON)
        assert refused.status == 400
        for peer in peers:
            peer.close()
        assert len(heard) == 8 * PUBLICATIONS


JSON: Final = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    redis = RedisServer(tmp_path_factory.mktemp("redis"))
    redis.start()
    scraped = Scraped(tmp_path_factory.mktemp("gateway"), redis.url)
    scraped.gateway.start()
    try:
        asyncio.run(scraped.make_traffic())
        yield scraped
    finally:
        scraped.gateway.kill()
        redis.kill()


def promtool(*arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(programs.promtool()), *arguments]
    return subprocess.run(command, input=said, capture_output=True, text=True, check=False)


def names_in(expression: str) -> set[str]:
    """The metrics that an expression asks for."""
    without_texts = re.sub(r'"[^"]*"', '""', expression)
    words = re.findall(r"\b(?:paceline|process)_[a-z_]+\b|\bup\b(?=\{)", without_texts)
    return set(words)


def expressions() -> Iterator[tuple[str, str]]:
    """Where it is, and what it asks."""
    for name, rule in ALERTS.items():
        yield name, rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


async def test_prometheus_own_checker_finds_no_fault_with_the_metrics(scraped: Scraped) -> None:
    for worker in range(2):
        checked = promtool("check", "metrics", said=await scraped.text(worker))
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_the_checker_would_say_so_if_there_were_a_fault() -> None:
    text = "# HELP paceline_lag_milliseconds Lag.\n# TYPE paceline_lag_milliseconds gauge\n"
    checked = promtool("check", "metrics", said=f"{text}paceline_lag_milliseconds 1\n")
    assert checked.returncode != 0


async def test_deliveries_across_workers_are_measured_from_end_to_end(scraped: Scraped) -> None:
    count, seconds = 0.0, 0.0
    for worker in range(2):
        samples = await scraped.samples(worker)
        count += samples["paceline_delivery_seconds_count", "fast"]
        seconds += samples["paceline_delivery_seconds_sum", "fast"]
        assert samples["paceline_ready",] == 1
        assert samples["paceline_redis_up", "master"] == 1
    assert count == 8 * PUBLICATIONS
    assert 0 < seconds < count * TIMEOUT_SECONDS


async def test_every_expression_asks_for_metrics_that_there_are(scraped: Scraped) -> None:
    there = OF_PROMETHEUS | {name for name, *_ in await scraped.samples(0)}
    asked = {place: names_in(expression) for place, expression in expressions()}

    assert {place for place, names in asked.items() if not names} == set()
    assert {place: names - there for place, names in asked.items() if names - there} == {}


async def test_every_label_that_an_expression_chooses_by_is_one_that_the_metric_has(
    scraped: Scraped,
) -> None:
    of_prometheus = {"job", "instance", "worker"}
    labels: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(await scraped.text(0)):
        for sample in family.samples:
            known = labels.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                known.setdefault(label, set()).add(value)
    for place, expression in expressions():
        for name, chosen in re.findall(r"\b((?:paceline|process)_\w+)\{([^}]*)\}", expression):
            for label, how, value in re.findall(r'(\w+)(=~|=)"([^"]*)"', chosen):
                if label in of_prometheus:
                    continue
                for one in value.split("|") if how == "=~" else [value]:
                    assert one in labels[name].get(label, set()), f"{place}: {name}, {label}={one}"


def test_the_configuration_and_the_rules_are_valid() -> None:
    for arguments in (
        ("check", "config", str(PROMETHEUS / "prometheus.yml")),
        ("check", "rules", str(PROMETHEUS / "alerts.yml")),
        ("test", "rules", str(PROMETHEUS / "alerts_test.yml")),
    ):
        checked = promtool(*arguments)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_is_seen_to_fire_and_to_be_silent() -> None:
    cases = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
    fires: set[str] = set()
    silent: set[str] = set()
    for case in cases:
        for tried in case["alert_rule_test"]:
            (fires if tried["exp_alerts"] else silent).add(tried["alertname"])
    assert fires == silent == set(ALERTS)


def test_each_alert_says_how_urgent_it_is_and_is_explained() -> None:
    explained = (REPOSITORY / "docs" / "how-to" / "monitoring.md").read_text()
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]
        assert f"`{name}`" in explained


def test_the_dashboard_can_be_shown() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    for _, expression in expressions():
        assert set(re.findall(r"\$(?!__)(\w+)", expression)) <= variables


def test_grafana_is_given_the_dashboard_and_its_source() -> None:
    compose: dict[str, Any] = yaml.safe_load((REPOSITORY / "deploy/compose.yaml").read_text())
    services = compose["services"]
    for name in ("prometheus", "grafana"):
        assert services[name]["profiles"] == ["monitoring"]
    targets = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"][0]
    (static,) = targets["static_configs"]
    port = compose["x-gateway"]["environment"]["PACELINE_METRICS_PORT"]
    gateways = [name for name in services if name.startswith("gateway-")]
    jobs = f"jobs:{services['jobs']['environment']['PACELINE_JOBS_METRICS_PORT']}"
    assert static["targets"] == [*(f"{name}:{port}" for name in gateways), jobs]
    mounts = [mount.split(":") for mount in services["grafana"]["volumes"]]
    for source, *_ in mounts[:2]:
        assert (REPOSITORY / "deploy" / source).exists()
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/paceline.yml").read_text())
    folder = provider["providers"][0]["options"]["path"]
    assert mounts[1][1] == f"{folder}/paceline.json"


async def test_a_worker_that_does_not_hear_redis_says_why_and_for_how_long(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    gateway = GatewayProcess(tmp_path, REDIS_URL=redis_server.url, PACELINE_DRAIN_SECONDS="1")
    gateway.start()
    try:
        redis_server.pause()
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while (answer := await request(gateway.port, "GET", "/readyz")).status != 503:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        broker = json.loads(answer.body)["data"]["reasons"]["broker"]
        assert re.fullmatch(r"1 of 1 Redis masters not heard for \d+\.\d s", broker["reason"])
        text = (await request(gateway.port, "GET", "/metrics")).body.decode()
        assert 'paceline_redis_up{shard="master"} 0.0' in text
        assert "paceline_ready 0.0" in text
    finally:
        redis_server.resume()
        gateway.kill()
