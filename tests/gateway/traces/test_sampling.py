from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from gateway.traces.sampling import FOLLOWED_PER_SECOND, default_sampler


def caller(*, is_sampled: bool) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED if is_sampled else TraceFlags.DEFAULT)
    told = SpanContext(1, 2, is_remote=True, trace_flags=flags)
    return trace.set_span_in_context(NonRecordingSpan(told))


def test_strangers_cannot_have_everything_traced() -> None:
    now = [7.5]
    sampler = default_sampler(lambda: now[0])
    context = caller(is_sampled=True)

    def followed(count: int) -> int:
        results = [sampler.should_sample(context, 1, "request") for _ in range(count)]
        return sum(result.decision is Decision.RECORD_AND_SAMPLE for result in results)

    assert followed(FOLLOWED_PER_SECOND + 100) == FOLLOWED_PER_SECOND
    now[0] += 1
    assert followed(5) == 5


def test_what_a_caller_does_not_sample_is_not_sampled() -> None:
    result = default_sampler().should_sample(caller(is_sampled=False), 1, "request")
    assert result.decision is Decision.DROP


def test_of_our_own_few_are_sampled() -> None:
    sampler, ids = default_sampler(), RandomIdGenerator()
    results = [sampler.should_sample(None, ids.generate_trace_id(), "x") for _ in range(20_000)]
    sampled = sum(result.decision is Decision.RECORD_AND_SAMPLE for result in results)
    assert sampled < 100  # 20 are to be expected


def test_a_sampler_says_what_it_is() -> None:
    assert f"UpTo{{{FOLLOWED_PER_SECOND}/s}}" in default_sampler().get_description()
