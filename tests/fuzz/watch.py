"""Watch processes that run cases: how each ends, how long it takes, memory, and stray files."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from driver import FULL

HANG = 10.0  # seconds that a case may take beyond its allowance
MEMORY = 1.5e9  # bytes of a case's process and its children
_POLL = 0.1  # seconds between two looks
_TRACEBACK = "Traceback (most recent call last)"
_DRIVER = Path(__file__).with_name("driver.py")


@dataclass
class Report:
    """Counts of outcomes, and the faults.

    Attributes:
        outcomes: Number of cases by outcome: "accepted", "refused" or a kind of fault.
        faults: One line for each case that is a fault.
        longest: Seconds of the longest case.
        memory: Largest memory of a case's processes, in bytes.
        reasons: Number of cases by the reason why they are refused.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    longest: float = 0.0
    memory: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: str, description: str = "") -> None:
        """Count a case."""
        self.outcomes[outcome] += 1
        if outcome == "refused":
            self.reasons[description] += 1
        if outcome not in ("accepted", "refused"):
            self.faults.append(f"{outcome}: {description}")
            print(self.faults[-1], flush=True)

    def row(self, name: str) -> str:
        """Return the counts as a row of a table in Markdown."""
        good = self.outcomes["accepted"] + self.outcomes["refused"]
        cells = (
            name,
            f"{good + len(self.faults):,}",
            f"{self.outcomes['accepted']:,}",
            f"{self.outcomes['refused']:,}",
            f"{len(self.faults)}",
            f"{self.longest:.1f}",
            f"{self.memory / 1e9:.2f}",
        )
        return "| " + " | ".join(cells) + " |"


def run_cases(cases: list[dict[str, Any]], sandbox: Path, allowance: float, report: Report) -> None:
    """Run cases in a process that is started again whenever it dies or hangs.

    Args:
        cases: Of :mod:`driver`, each with a "folder" of its own within ``sandbox``: files may
            appear in there, nowhere else.
        sandbox: Folder of all cases, with the files beside them that must not change.
        allowance: Seconds that a case may take on a busy machine, before :data:`HANG` counts.
        report: Receives the counts.
    """
    cases_file = sandbox / "cases.jsonl"
    results_file = sandbox / "results.jsonl"
    for index, case in enumerate(cases):
        case["out"] = str(sandbox / f"{index}.out")
        case["err"] = str(sandbox / f"{index}.err")
    cases_file.write_text("".join(json.dumps(case) + "\n" for case in cases))
    results_file.write_text("")

    first = 0
    while first < len(cases):
        first = _run_driver(cases, first, sandbox, allowance, report)


def _run_driver(
    cases: list[dict[str, Any]], first: int, sandbox: Path, allowance: float, report: Report
) -> int:
    """Run one process from the case ``first`` on; return the case to go on with."""
    results = sandbox / "results.jsonl"
    guard = _files_outside(sandbox)
    environment = {**os.environ, "TMPDIR": str(sandbox / "tmp"), "HOME": str(sandbox / "home")}
    process = subprocess.Popen(
        [sys.executable, _DRIVER, sandbox / "cases.jsonl", results, str(first)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=sandbox / "work",
        env=environment,
    )
    offset = results.stat().st_size
    last_line = time.monotonic()
    index = first
    memory = 0.0
    while True:
        is_running = process.poll() is None
        with results.open() as lines:
            lines.seek(offset)
            text = lines.read()
        complete = text[: text.rfind("\n") + 1]
        offset += len(complete.encode())
        for line in complete.splitlines():
            last_line = time.monotonic()
            result = json.loads(line)
            index = result["index"]
            if "code" in result:
                report.memory = max(report.memory, memory)
                report.longest = max(report.longest, result["seconds"])
                outcome, text = _judge(cases[index], result["code"], memory)
                if result["seconds"] > HANG + allowance:
                    outcome = "hang"
                    text = f"{result['seconds']:.0f} s"
                stray = _files_outside(sandbox) ^ guard
                if stray:
                    outcome = "outside"
                    text = str(sorted(stray)[:3])
                    guard = _files_outside(sandbox)
                report.add(
                    outcome, text if outcome == "refused" else f"{cases[index]['name']}: {text}"
                )
                memory = 0.0
                index += 1
        if index >= len(cases):
            _end(process)
            return index
        memory = max(memory, _session_memory(process.pid))
        silence = time.monotonic() - last_line
        if memory > 2 * MEMORY:
            report.add("memory", f"{cases[index]['name']}: {memory / 1e9:.1f} GB")
        elif process.returncode == FULL:
            return index
        elif not is_running:
            report.add("crash", f"{cases[index]['name']}: exit code {process.returncode}")
        elif silence > 2 * (HANG + allowance):
            report.add("hang", f"{cases[index]['name']}: ended after {silence:.0f} s")
        else:
            time.sleep(_POLL)
            continue
        _end(process)
        return index + 1


def _judge(case: dict[str, Any], code: int, memory: float) -> tuple[str, str]:
    """Return the outcome of a case that has ended, and what was seen."""
    printed = ""
    for key in ("out", "err"):
        path = Path(case[key])
        printed += path.read_text(errors="replace")
        path.unlink()
    if code == -1 or _TRACEBACK in printed:
        return "traceback", " / ".join(printed.strip().splitlines()[-3:])
    if memory > MEMORY:
        return "memory", f"{memory / 1e9:.1f} GB"
    if code == 0:
        return "accepted", ""
    if code == 1 and printed.strip():
        return "refused", _reason(printed)
    return "silent", f"exit code {code} without a reason: {printed.strip()[-200:]}"


def _reason(printed: str) -> str:
    """Return the last line that a command printed, without names of files and numbers."""
    line = printed.strip().splitlines()[-1]
    return re.sub(r"\S*/\S*|\d+", "#", line)


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _files_outside(sandbox: Path) -> set[tuple[str, int, int]]:
    """Return path, size and time of the files of a sandbox that no case may change."""
    found = set()
    for name in ("work", "guard", "home"):
        for path in (sandbox / name).rglob("*"):
            is_cache = {"__pycache__", ".config"} & set(path.parts)  # Python's, Blender's
            if path.is_file() and not is_cache:
                status = path.lstat()
                found.add((str(path), status.st_size, status.st_mtime_ns))
    return found


def _session_memory(session: int) -> float:
    """Return the resident memory in bytes of all processes of a session (Linux)."""
    total = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            total += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return float(total)
