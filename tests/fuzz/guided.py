"""This module owns one target under a fuzzer that sees coverage (Atheris, on libFuzzer).

`python -m tests.fuzz.guided NAME CORPUS [options of libFuzzer]`, in a process of its own: the
modules that are to be seen have to be imported by Atheris, and its loop does not come back.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from pathlib import Path


def main() -> None:
    """Run until libFuzzer's options say that it is enough; exit status 77 for a finding."""
    name, corpus = sys.argv[1], Path(sys.argv[2])
    atheris = importlib.import_module("atheris")  # optional, and without types
    with atheris.instrument_imports(include=["gateway", "protocol"], enable_loader_override=False):
        table = importlib.import_module("tests.fuzz.targets")
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(table.targets())[name]
        for number, seed in enumerate(target.seeds):
            (corpus / f"seed-{number}").write_bytes(seed)
        dictionary = corpus.with_suffix(".dict")
        dictionary.write_text("".join(map(_entry, table.TOKENS)))
        options = [f"-dict={dictionary}", f"-max_len={table.INPUT_LIMIT_BYTES}", *sys.argv[3:]]
        atheris.Setup(
            [sys.argv[0], *options, str(corpus)], lambda data: table.judge_input(target, data)
        )
        atheris.Fuzz()


def _entry(token: bytes) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in token[:60]) + '"\n'


if __name__ == "__main__":
    main()
