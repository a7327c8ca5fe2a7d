"""This module owns which traces are kept where the environment does not say it: few."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

OWN_SHARE: Final = 0.001  # of what begins here
FOLLOWED_PER_SECOND: Final = 20  # of what callers have begun and want to be followed


def default_sampler(clock: Callable[[], float] = time.monotonic) -> Sampler:
    """One in a thousand of our own; of others' all that is sampled there, up to a limit.

    A caller says with `traceparent` that its trace is sampled, and strangers may say so too.
    """
    return ParentBased(
        TraceIdRatioBased(OWN_SHARE), remote_parent_sampled=_UpTo(FOLLOWED_PER_SECOND, clock)
    )


class _UpTo(Sampler):
    """Everything, but no more than so many a second."""

    def __init__(self, per_second: int, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._clock = clock
        self._second = 0
        self._taken = 0

    def should_sample(  # noqa: PLR0913, PLR0917 - the SDK's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide on one span."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._taken = second, 0
        self._taken += 1
        chosen = ALWAYS_ON if self._taken <= self._per_second else ALWAYS_OFF
        return chosen.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def get_description(self) -> str:
        """For logs of the SDK."""
        return f"UpTo{{{self._per_second}/s}}"
