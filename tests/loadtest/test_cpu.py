import os
import subprocess
import sys
from time import process_time

from loadtest import cpu

SPIN = "import time\nwhile time.process_time() < 0.3: pass\nprint('spun', flush=True)\ninput()"
PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {SPIN!r}])"


def test_a_process_that_is_gone_or_unknown_has_cost_nothing() -> None:
    assert cpu.usage_of(0) == cpu.Usage()
    assert cpu.usage_of(2**22 + 1) == cpu.Usage()


def test_what_the_children_spend_counts() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"spun\n"
        usage = cpu.usage_of(process.pid)
        process.communicate(b"\n")
    assert usage.cpu_seconds >= 0.25
    # Two interpreters are resident, and one alone is larger than this.
    assert usage.resident_bytes > 8_000_000


def test_the_own_process_is_measured_as_it_measures_itself() -> None:
    before, own = cpu.usage_of(os.getpid()).cpu_seconds, process_time()
    while process_time() - own < 0.2:
        pass
    assert 0.15 < cpu.usage_of(os.getpid()).cpu_seconds - before < 1.0
