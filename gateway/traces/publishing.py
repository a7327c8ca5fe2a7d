"""This module owns the traced way into the broker, which takes the place of the plain one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.broker.contract import BrokerUnavailable, Publish, Settle
from gateway.rooms.publication import Draft, Receipt

if TYPE_CHECKING:
    from gateway.traces.spans import Traces


def traced(publish: Publish, traces: Traces) -> Publish:
    """What `publish` does, with a span about it where somebody follows the trace."""

    def publish_traced(draft: Draft, settle: Settle) -> None:
        span = traces.publishing(draft.room, draft.event)
        if span is None:
            publish(draft, settle)
            return

        def settle_traced(answer: Receipt | BrokerUnavailable) -> None:
            if isinstance(answer, Receipt):
                span.set_attribute("paceline.outcome", answer.outcome.label)
                span.set_attribute("paceline.offset", answer.cursor.offset)
            else:
                span.set_attribute("paceline.outcome", "unavailable")
            span.end()
            settle(answer)

        publish(msgspec.structs.replace(draft, trace=traces.traceparent_of(span)), settle_traced)

    return publish_traced
