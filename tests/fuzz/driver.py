"""Run many command lines in one process, one after another, and write down how each ended.

    python driver.py CASES.jsonl RESULTS.jsonl FIRST

Each line of CASES has the arguments of a command, or the path of a program that is named as the
Python of the preferences. What a case prints goes to the files OUT and ERR that it names.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

FULL = 77  # exit code of a process that has kept much memory, so that another one shall go on
_FULL = 0.9e9  # bytes: one command takes 0.5 to 0.7 GB with Blender and PyTorch


def _resident_memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _redirect(descriptor: int, path: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, descriptor)
    os.close(handle)


def _run_command(case: dict[str, Any]) -> int:
    from maquette.operators.cli.main import run_command

    return run_command(case["arguments"])


def _run_with_python(case: dict[str, Any]) -> int:
    """Let the operators use a hostile program as their Python; return 1 if they refuse it."""
    import bpy
    from maquette.core.jobs import dependencies
    from maquette.operators import _compute

    preferences = SimpleNamespace(
        python=case["python"], device='CPU', idle=60, weights="", told="", found_devices=""
    )
    _compute.addon_preferences = lambda: preferences
    dependencies.is_installed = lambda package: False
    try:
        if case["operator"] == "test_python":
            bpy.ops.maquette.test_python()
        else:
            bpy.ops.maquette.reconstruct(filepath=case["image"], weights=case["weights"])
    except RuntimeError as error:
        if "Traceback" in str(error):
            raise
        print(f"maquette: {error}", file=sys.stderr)
        return 1
    return 0


def main() -> None:
    """Run the cases from FIRST on."""
    cases = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    first = int(sys.argv[3])
    import maquette

    # Loaded once, so that no case pays for it.
    import torch  # noqa: F401
    from maquette.core.model.inference import pipeline  # noqa: F401

    if any("python" in case for case in cases):
        maquette.register()
    with Path(sys.argv[2]).open("a", buffering=1) as results:
        for index, case in enumerate(cases[first:], first):
            results.write(json.dumps({"index": index, "begun": True}) + "\n")
            _redirect(1, case["out"])
            _redirect(2, case["err"])
            start = time.monotonic()
            try:
                code = _run_with_python(case) if "python" in case else _run_command(case)
            except BaseException:
                traceback.print_exc()
                code = -1
            sys.stdout.flush()
            sys.stderr.flush()
            seconds = time.monotonic() - start
            result = {"index": index, "code": code, "seconds": seconds}
            results.write(json.dumps(result) + "\n")
            if _resident_memory() > _FULL:
                os._exit(FULL)
    os._exit(0)


if __name__ == "__main__":
    main()
