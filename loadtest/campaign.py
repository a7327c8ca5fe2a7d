"""This module owns the order of a comparison: rounds in which every server has its turn."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from multiprocessing.connection import wait
from time import monotonic, monotonic_ns
from typing import TYPE_CHECKING, Final, cast

import msgspec

from loadtest import cpu, swarm
from loadtest.handshake import Address
from loadtest.measurement import Measurement, Result, Sample
from loadtest.plan import Failed, Plan, Progress, Ready, Role
from loadtest.ports import PeerUnavailable
from loadtest.servers import Server, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from loadtest.scenarios import Scenario

_SAMPLE_SECONDS: Final = 0.5
# Longer than the settling of a run: a load process that says nothing for so long has hung.
_SILENCE_SECONDS: Final = 120.0

OnProgress = Callable[[Progress], None]


class Target(msgspec.Struct, frozen=True):
    """What is measured: a server to start for every round or, with addresses, a running one."""

    peer: str
    settings: dict[str, str] = {}
    addresses: tuple[Address, ...] = ()
    pid: int = 0


class Terms(msgspec.Struct, frozen=True):
    """How a campaign is run."""

    targets: list[Target]
    rounds: int
    secret: str


class RunFailed(Exception):
    """A round could not be measured; the message says why."""


def compare(
    scenario: Scenario, terms: Terms, on_turn: Callable[[str, int], None], on_progress: OnProgress
) -> Result:
    """All rounds of one scenario.

    A server that fails is named in the result and left out of later rounds.
    """
    result = Result(scenario, [target.peer for target in terms.targets], [], {})
    for number in range(1, terms.rounds + 1):
        for target in terms.targets:
            if target.peer in result.failures:
                continue
            on_turn(target.peer, number)
            try:
                with _serving(target, scenario.workers) as server:
                    measured = measure(scenario, server, terms.secret, on_progress)
            except (PeerUnavailable, RunFailed) as failure:
                result.failures[target.peer] = str(failure)
            else:
                measured.round_number = number
                result.measurements.append(measured)
    return result


@contextmanager
def _serving(target: Target, workers: int) -> Iterator[Server]:
    if target.addresses:
        yield Server(target.peer, target.addresses, (target.pid,))
    else:
        with running(target.peer, target.settings, workers) as server:
            yield server


def measure(
    scenario: Scenario, server: Server, secret: str, on_progress: OnProgress
) -> Measurement:
    """One scenario against one running server. Raises RunFailed."""
    roles: tuple[Role, ...] = ("riders", "canary") if scenario.course == "drop" else ("riders",)
    origin_ns = monotonic_ns()
    crews = [
        swarm.start(
            Plan(scenario, role, server.addresses, server.pids, secret, origin_ns, 50_000 * number)
        )
        for number, role in enumerate(roles)
    ]
    watch = _Watch(server, on_progress)
    try:
        results = watch.conduct([line for _, line in crews])
    finally:
        for process, _ in crews:
            process.kill()
            process.join()
    return _merged(results, server.peer, watch.samples)


class _Watch:
    """The parent's side of a run: lets all load processes go together, samples the server."""

    def __init__(self, server: Server, on_progress: OnProgress) -> None:
        self.samples: list[Sample] = []
        self._server = server
        self._on_progress = on_progress
        self._started = monotonic()
        self._ready: list[Connection] = []

    def conduct(self, lines: list[Connection]) -> list[Measurement]:
        results: dict[int, Measurement] = {}
        heard = monotonic()
        while len(results) < len(lines):
            waiting = [line for number, line in enumerate(lines) if number not in results]
            for line in wait(waiting, timeout=_SAMPLE_SECONDS):
                heard = monotonic()
                number = lines.index(cast("Connection", line))
                message = self._receive(lines[number])
                if isinstance(message, Measurement):
                    results[number] = message
                elif isinstance(message, Ready):
                    self._let_go(lines, lines[number])
                elif isinstance(message, Progress) and number == 0:
                    self._on_progress(message)
            self._sample()
            if monotonic() - heard > _SILENCE_SECONDS:
                raise RunFailed("a load process went silent")
        return [results[number] for number in range(len(lines))]

    @staticmethod
    def _receive(line: Connection) -> object:
        try:
            message = line.recv()
        except EOFError:
            raise RunFailed("a load process died") from None
        if isinstance(message, Failed):
            raise RunFailed(message.reason)
        return message

    def _let_go(self, lines: list[Connection], line: Connection) -> None:
        self._ready.append(line)
        if len(self._ready) == len(lines):
            for ready in self._ready:
                ready.send("go")

    def _sample(self) -> None:
        at = monotonic() - self._started
        if any(self._server.pids) and (
            not self.samples or at - self.samples[-1].at_seconds >= _SAMPLE_SECONDS
        ):
            usage = cpu.usage_of(*self._server.pids)
            self.samples.append(Sample(at, usage.cpu_seconds, usage.resident_bytes))


def _merged(results: list[Measurement], peer: str, samples: list[Sample]) -> Measurement:
    """The riders' measurement, with what the canary felt beside them."""
    measured, *canaries = results
    measured.peer, measured.samples = peer, samples
    for canary in canaries:
        measured.ack_latency = canary.ack_latency
        measured.figures |= canary.figures
    return measured
