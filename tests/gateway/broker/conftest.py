from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import pytest

from tests.gateway.broker.backends import BACKENDS
from tests.gateway.broker.worker import Worker

MakeWorker: TypeAlias = "Callable[[], Awaitable[Worker]]"


@pytest.fixture(params=sorted(BACKENDS))
async def make_worker(request: pytest.FixtureRequest) -> AsyncIterator[MakeWorker]:
    """Make, each time it is called, one more worker over the same store, started."""
    workers: list[Worker] = []
    async with BACKENDS[request.param](request) as make_broker:

        async def make() -> Worker:
            worker = Worker(make_broker())
            await worker.broker.start(worker.deliver)
            workers.append(worker)
            return worker

        yield make
        for worker in workers:
            await worker.broker.stop()


@pytest.fixture
async def worker(make_worker: MakeWorker) -> Worker:
    """One worker; its rooms have never been used before."""
    return await make_worker()


@pytest.fixture
async def other(make_worker: MakeWorker) -> Worker:
    """Another worker over the same store."""
    return await make_worker()
