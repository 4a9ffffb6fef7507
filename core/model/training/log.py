"""What a run of training writes down: ``log.csv``, and ``curve.png`` drawn from it."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

QUESTIONS = (
    "front",
    "front, right",
    "front, right, back, top",
    "free",
)  # as ``training.QUESTIONS``
_DRAW_SECONDS = 10.0
_SIDE = 512
_FOREGROUND = (70, 70, 70)
_PALE = (190, 210, 235)
_BOLD = (30, 90, 170)
_COLORS = ((214, 96, 30), (60, 140, 60), (140, 80, 160), (190, 150, 20))

Points = NDArray[np.float64]


class RunLog:
    """Lines of ``log.csv``, at once on disk, and now and then the curve. Writes nothing unless ``first``.

    A line is a step, "train", its losses and its seconds; or a step, "validation" and IoUs, one of each question, NaN
    where it is not asked.
    """

    def __init__(self, run: Path, step: int, first: bool) -> None:
        """step: where the run goes on; what an interrupted one had written of later steps is dropped."""
        self._run = run
        self._first = first
        self._drawn = 0.0
        self._file: TextIO | None = None
        path = run / "log.csv"
        if first and path.exists():
            kept = [
                line
                for line in path.read_text(encoding="utf-8").splitlines()
                if _parse_step(line) <= step
            ]
            path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def __enter__(self) -> RunLog:
        if self._first:
            self._file = (self._run / "log.csv").open("a", buffering=1, encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()
            draw_curve(self._run)

    def log_step(self, step: int, losses: Sequence[float], seconds: float) -> None:
        if self._file:
            self._write_row(step, "train", [*losses, seconds])
            if time.monotonic() - self._drawn > _DRAW_SECONDS:
                draw_curve(self._run)
                self._drawn = time.monotonic()

    def log_validation(self, step: int, scores: Sequence[float]) -> None:
        if self._file:
            self._write_row(step, "validation", scores)
            draw_curve(self._run)

    def _write_row(self, step: int, kind: str, values: Sequence[float]) -> None:
        assert self._file
        self._file.write(",".join((str(step), kind, *(f"{value:.5f}" for value in values))) + "\n")


def log_lines(run: Path, kind: str) -> Iterator[tuple[int, list[float]]]:
    """Lines of ``log.csv``: "train" (step, losses and seconds) or "validation" (step, IoUs)."""
    with (run / "log.csv").open(newline="", encoding="utf-8") as file:
        for line in csv.reader(file):
            if len(line) > 2 and line[1] == kind:
                yield int(line[0]), [float(x) for x in line[2:]]


def draw_curve(run: Path) -> None:
    """Write ``curve.png``: the loss by step, pale as it was and bold on average, and IoU on unseen objects."""
    losses = np.array([(step, values[0]) for step, values in log_lines(run, "train")]).reshape(
        -1, 2
    )
    scores = list(log_lines(run, "validation"))
    if not len(losses):
        return
    image = Image.new("RGB", (_SIDE, _SIDE), "white")
    last = max(float(losses[-1, 0]), 2.0)
    logs = np.log10(np.maximum(losses[:, 1], 1e-4))
    chart = _Chart(image, (80, 38, 498, 216), (1, last), (logs.min() - 0.02, logs.max() + 0.02))
    chart.draw_frame(
        [f"{10**value:.2g}" for value in chart.high_low],
        f"loss {_running_mean(losses[:, 1])[-1]:.3g}",
        "",
    )
    chart.draw_line(np.c_[losses[:, 0], logs], _PALE, 1)
    chart.draw_line(np.c_[losses[:, 0], np.log10(_running_mean(losses[:, 1]))], _BOLD, 4)
    values = np.array([line for _, line in scores]).reshape(len(scores), -1 if scores else 0)
    known = values[~np.isnan(values)]
    top = min(1.0, float(known.max()) + 0.03) if len(known) else 1.0
    low = max(0.0, float(known.min()) - 0.03) if len(known) else 0.0
    chart = _Chart(image, (80, 260, 498, 370), (1, last), (low, top))
    chart.draw_frame(
        [f"{value:.2f}" for value in chart.high_low],
        "IoU on validation objects",
        f"step {int(losses[-1, 0])}",
    )
    for index, color in enumerate(_COLORS[: values.shape[1]]):
        curve = np.c_[[step for step, _ in scores], values[:, index]]
        if np.isnan(curve).any():  # not asked
            continue
        chart.draw_line(curve, color, 4)
        name = QUESTIONS[index] if index < len(QUESTIONS) else ""
        chart.draw_text((8, 394 + 28 * index), f"{name} {curve[-1, 1]:.2f}", color)
    partial = run / "curve.partial"
    image.save(partial, "PNG")
    partial.replace(run / "curve.png")


class _Chart:
    """A plot in the rectangle ``place`` (left, top, right, bottom) of an image, of ``x`` and ``y`` (low, high)."""

    def __init__(
        self,
        image: Image.Image,
        place: tuple[int, ...],
        x: tuple[float, float],
        y: tuple[float, float],
    ) -> None:
        self._draw = ImageDraw.Draw(image)
        self._place = place
        self._x = x
        self._y = y if y[1] > y[0] else (y[0] - 0.5, y[0] + 0.5)
        self._font = ImageFont.load_default(25)
        self.high_low = (self._y[1], self._y[0])

    def draw_frame(self, ends: Sequence[str], title: str, below: str) -> None:
        left, top, right, bottom = self._place
        self._draw.rectangle(self._place, outline=_FOREGROUND)
        self.draw_text((left, top - 33), title, _FOREGROUND)
        self.draw_text((4, top - 4), ends[0], _FOREGROUND)
        self.draw_text((4, bottom - 24), ends[1], _FOREGROUND)
        self.draw_text((right - 14 * len(below), bottom + 2), below, _FOREGROUND)

    def draw_line(self, points: Points, color: tuple[int, int, int], width: int) -> None:
        """A line through ``points`` (K, 2), a dot if there is but one."""
        left, top, right, bottom = self._place
        share = (points - (self._x[0], self._y[0])) / (
            self._x[1] - self._x[0],
            self._y[1] - self._y[0],
        )
        where = np.c_[left + share[:, 0] * (right - left), bottom - share[:, 1] * (bottom - top)]
        if len(where) > 1:
            self._draw.line([tuple(point) for point in where.tolist()], color, width)
        for x, y in where[-1:].tolist():
            self._draw.ellipse((x - width, y - width, x + width, y + width), color)

    def draw_text(self, where: tuple[int, int], text: str, color: tuple[int, int, int]) -> None:
        self._draw.text(where, text, color, self._font)


def _running_mean(values: Points) -> Points:
    """Each of ``values`` (K,) averaged with those before it, over about a thirtieth of them."""
    weight = 1 / max(len(values) / 30, 5)
    mean = 0.0
    total = 0.0
    result = []
    for value in values:
        mean = mean + weight * (value - mean)
        total = total + weight * (1 - total)
        result.append(mean / total)
    return np.array(result)


def _parse_step(line: str) -> int:
    return int(line.partition(",")[0])
