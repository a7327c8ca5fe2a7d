import subprocess
import sys

import pytest

from gateway.settings import SettingsInvalid
from gateway.traces.choice import are_wanted, traces_of

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize(
    ("environ", "is_wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "bikes"}, False),
        ({ENDPOINT: ""}, False),
        ({ENDPOINT: "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({ENDPOINT: "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({ENDPOINT: "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_traces_are_made_where_somebody_takes_them(
    environ: dict[str, str], *, is_wanted: bool
) -> None:
    assert are_wanted(environ) is is_wanted
    assert (traces_of(environ, "worker") is not None) is is_wanted


def test_without_the_sdk_the_mistake_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gateway.traces.spans", None)
    with pytest.raises(SettingsInvalid, match=r"paceline\[otel\]"):
        traces_of({ENDPOINT: "http://127.0.0.1:4318"}, "worker")


def test_a_gateway_without_traces_has_nothing_of_them() -> None:
    program = (
        "import sys; OURS = ('gateway.traces.spans', 'gateway.traces.sampling'); "
        "from gateway.app import Gateway; from gateway.settings import Settings; "
        "gateway = Gateway(Settings()); assert gateway.traces is None; "
        "print([name for name in sys.modules if name.startswith(OURS) "
        "or name.startswith('opentelemetry.exporter')], type(gateway.lanes).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[] Lanes"
