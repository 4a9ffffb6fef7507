"""What a run of the dense network writes down: ``log.jsonl``, a JSON object a line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ....atomic_files import LineFile, read_complete_lines, report_write_errors, write_bytes

_EVERY = 20  # steps that one line sums up


class DenseLog:
    """Lines of ``log.jsonl``, at once on disk.

    A line of "kind" "train" has the step, the mean of each loss over the last 20 steps or so, and
    the speed: seconds a step, images and GFLOP a second. One of "validation" has the step and
    the scores.

    Args:
        run: folder. step: where the run goes on; what was written of later steps is dropped.
        images: of a step. flop: of a step, forward and backward.
    """

    def __init__(self, run: Path, step: int, images: int, flop: float) -> None:
        self._path = run / "log.jsonl"
        self._images = images
        self._flop = flop
        self._losses: dict[str, float] = {}
        self._count = 0
        self._seconds = 0.0
        self._last = 0
        self._file: LineFile | None = None

        if self._path.exists():
            with report_write_errors(self._path):
                kept = [line for line in dense_log_lines(run) if line["step"] <= step]
            text = "".join(json.dumps(line) + "\n" for line in kept)
            write_bytes(self._path, text)

    def __enter__(self) -> DenseLog:
        self._file = LineFile(self._path)
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        if self._file:
            self._file.close()

    def step(self, step: int, losses: Mapping[str, float], seconds: float) -> None:
        """Take note of a step."""
        for name, value in losses.items():
            self._losses[name] = self._losses.get(name, 0.0) + value
        self._count += 1
        self._seconds += seconds
        self._last = step
        if step % _EVERY == 0:
            self._flush()

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """Write the scores of a validation."""
        self._flush()
        self._write({"step": step, "kind": "validation", **_rounded(scores)})

    def _flush(self) -> None:
        if not self._count:
            return
        means = {name: total / self._count for name, total in self._losses.items()}
        seconds = self._seconds / self._count
        speed = {
            "seconds": seconds,
            "images_per_second": self._images / max(seconds, 1e-9),
            "gflop_per_second": self._flop / max(seconds, 1e-9) / 1e9,
        }
        self._write({"step": self._last, "kind": "train", **_rounded({**means, **speed})})
        self._losses = {}
        self._count = 0
        self._seconds = 0.0

    def _write(self, line: dict[str, Any]) -> None:
        if self._file:
            self._file.write_line(json.dumps({**line, "time": round(time.time())}))


def dense_log_lines(run: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of the log of ``run``; damaged ones, as killed runs leave, are left out."""
    for line in read_complete_lines(run / "log.jsonl"):
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict) and isinstance(content.get("step"), int):
            yield content


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(float(value), 5) for name, value in values.items()}
