from gateway.broker.contract import BrokerUnavailable, Settle
from gateway.rooms.publication import Draft, Outcome, Receipt
from gateway.traces.publishing import traced
from gateway.traces.spans import Traces
from protocol.cursor import Cursor
from tests.gateway.rooms.drafts import event

CALLER = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
RECEIPT = Receipt(Cursor("epoch", 7, 1), Outcome.ACCEPTED)


def test_a_traced_publication_carries_its_trace_and_is_settled_as_ever() -> None:
    drafts: list[Draft] = []
    answers: list[Receipt | BrokerUnavailable] = [RECEIPT, BrokerUnavailable()]
    settled: list[Receipt | BrokerUnavailable] = []

    def publish(draft: Draft, settle: Settle) -> None:
        drafts.append(draft)
        settle(answers[len(drafts) - 1])

    traces = Traces("worker-1")
    with traces.serving("POST", "/api/x", CALLER):
        for _ in answers:
            traced(publish, traces)(event("x"), settled.append)

    assert settled == answers
    for draft in drafts:
        assert draft.trace.startswith("00-0af7651916cd43dd8448eb211c80319c-")
        assert draft.trace.endswith("-01")
        assert len(draft.trace) == 55
        assert draft.packet == event("x").packet
    assert drafts[0].trace != drafts[1].trace


def test_others_go_on_untouched() -> None:
    drafts: list[Draft] = []
    draft = event("x")
    unsampled = {"traceparent": CALLER["traceparent"].removesuffix("01") + "00"}
    traces = Traces("worker-1")
    with traces.serving("POST", "/api/x", unsampled):
        traced(lambda draft, _: drafts.append(draft), traces)(draft, lambda _: None)

    assert drafts[0] is draft
