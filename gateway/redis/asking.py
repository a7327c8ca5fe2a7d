"""This module owns asking several servers the same thing, of which some may be dead or deaf."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, Final, TypeVar

from gateway.redis.connection import CommandConnection, connect
from gateway.redis.errors import RedisAway, RedisRefused
from gateway.settings.redis_url import Endpoint, RedisAddress

Answer = TypeVar("Answer")

_TIMEOUT_SECONDS: Final = 1.0


async def ask(endpoint: Endpoint, address: RedisAddress, *questions: tuple[str, ...]) -> list[Any]:
    """The answers of one server, on a connection for these alone.

    Raises `RedisAway` or `RedisRefused`.
    """
    connection = await connect(lambda: CommandConnection(_TIMEOUT_SECONDS), endpoint, address)
    try:
        return [await connection.call(*words) for words in questions]
    finally:
        connection.abort()


async def answers_of(
    questions: Iterable[Coroutine[Any, Any, Answer]], grace_seconds: float
) -> list[Answer]:
    """Ask everybody at once; who has not answered `grace_seconds` after the first is not awaited.

    At least one answer, in the order in which they came. Raises `RedisAway` when all have failed,
    which they do by `RedisAway` or `RedisRefused`.
    """
    tasks = [asyncio.create_task(question) for question in questions]
    loop = asyncio.get_running_loop()
    answers: list[Answer] = []
    failures: list[str] = []
    pending = set(tasks)
    deadline_seconds: float | None = None
    try:
        while pending:
            left = None if deadline_seconds is None else max(0.0, deadline_seconds - loop.time())
            done, pending = await asyncio.wait(
                pending, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                break
            for task in done:
                try:
                    answers.append(task.result())
                except (RedisAway, RedisRefused) as error:
                    failures.append(str(error))
            if answers and deadline_seconds is None:
                deadline_seconds = loop.time() + grace_seconds
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if not answers:
        raise RedisAway("; ".join(failures))
    return answers
