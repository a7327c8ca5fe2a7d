"""This module owns the load processes: each runs one course, away from the server's core."""

from __future__ import annotations

import gc
import multiprocessing
import os
from importlib import import_module
from typing import TYPE_CHECKING, Final

import uvloop

from loadtest.handshake import HandshakeFailed
from loadtest.plan import Failed, Link
from loadtest.rider import Refusal
from loadtest.servers import raise_file_limit

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from loadtest.measurement import Measurement
    from loadtest.plan import Plan

COURSES: Final = {
    "flow": ("loadtest.courses.flow", "run"),
    "connect": ("loadtest.courses.crowd", "connect"),
    "idle": ("loadtest.courses.crowd", "idle"),
    "drop": ("loadtest.courses.crowd", "drop"),
    "storm": ("loadtest.courses.crowd", "storm"),
    "stalled": ("loadtest.courses.stalled", "run"),
    "reads": ("loadtest.courses.reads", "run"),
    "canary": ("loadtest.courses.canary", "run"),
}


def start(plan: Plan) -> tuple[SpawnProcess, Connection]:
    """A load process at work on `plan`, and the line to it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(plan, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _work(plan: Plan, line: Connection) -> None:
    raise_file_limit()
    # Nothing here makes cycles that matter within a run, and a collection over 10,000 connections
    # would be read off as the server's latency.
    gc.disable()
    link = Link(line)
    try:
        link.tell(uvloop.run(_course(plan, link)))
    except* (HandshakeFailed, Refusal, OSError, TimeoutError) as failures:
        link.tell(
            Failed(
                "; ".join(sorted({str(error) or repr(error) for error in _leaves(failures)}))[:500]
            )
        )
    line.close()
    # Not a clean exit: closing thousands of connections one by one would take longer than the run.
    os._exit(0)


async def _course(plan: Plan, link: Link) -> Measurement:
    module, function = COURSES["canary" if plan.role == "canary" else plan.scenario.course]
    measured: Measurement = await getattr(import_module(module), function)(plan, link)
    return measured


def _leaves(group: BaseExceptionGroup[Exception]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for error in group.exceptions:
        leaves += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return leaves
